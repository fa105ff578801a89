//! Where results go: nowhere while time is taken, to a file for the check against a peer.

use anyhow::{Context, Result};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use tch::{Kind, Tensor};
use visrep_decode::RgbImage;

/// Takes results.
pub(crate) enum Sink {
    Discard,
    File(BufWriter<File>),
}

impl Sink {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::File(BufWriter::new(file)))
    }

    /// Rows from top to bottom, three bytes for a pixel.
    pub(crate) fn image(&mut self, image: &RgbImage) -> Result<()> {
        match self {
            Self::Discard => {
                black_box(image.data());
            }
            Self::File(file) => file.write_all(image.data())?,
        }
        Ok(())
    }

    /// Elements as 32-bit floats in the machine's byte order.
    pub(crate) fn tensor(&mut self, tensor: &Tensor) -> Result<()> {
        match self {
            Self::Discard => {
                black_box(tensor.data_ptr());
            }
            Self::File(file) => {
                let values = Vec::<f32>::try_from(tensor.f_flatten(0, -1)?.f_to_kind(Kind::Float)?)?;
                for value in values {
                    file.write_all(&value.to_ne_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that everything is in the file.
    pub(crate) fn finish(self) -> Result<()> {
        if let Self::File(mut file) = self {
            file.flush()?;
        }
        Ok(())
    }
}
