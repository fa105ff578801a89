//! PyTorch's checkpoints, read as data: `.pth`, `.pt`, `.ckpt` and `.bin`, as zip archives (PyTorch 1.6 and later) and in
//! the older format. No code of a file is run, because there is nothing here that could run it.

mod build;
mod legacy;
mod machine;
mod select;
mod torch;
mod zip;

pub(super) use legacy::{is_legacy, read_legacy};
pub(super) use zip::read_zip;
