//! Checkpoints: one safetensors file each that holds all that a run needs to go on as if it had never stopped.

mod file;
mod folder;

pub(crate) use file::{Header, restore};
pub(crate) use folder::{Folder, Found};
