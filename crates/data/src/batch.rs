//! What the loader delivers.

/// 8-bit RGB images of one size, `n` x `height` x `width` x 3 (NHWC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBatch {
    /// Number of images.
    pub n: usize,
    /// Height of each in pixels.
    pub height: u32,
    /// Width of each in pixels.
    pub width: u32,
    /// The pixels, `n * height * width * 3` bytes.
    pub data: Vec<u8>,
}

/// Samples that were loaded together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// One batch of images for each view, all with the same `n`.
    pub views: Vec<ImageBatch>,
    /// Class indices; -1 for a sample without a label.
    pub labels: Vec<i64>,
    /// Each sample's index in the dataset.
    pub indices: Vec<usize>,
    /// Each sample's key.
    pub keys: Vec<String>,
}

#[cfg(feature = "tensor")]
impl ImageBatch {
    /// The pixels as a `u8` tensor (N, H, W, 3) on the CPU; `visrep-models`' `Preprocessing::normalize`
    /// makes the model's input of it on any device.
    pub fn to_tensor(&self) -> tch::Tensor {
        tch::Tensor::from_slice(&self.data).view([
            self.n as i64,
            i64::from(self.height),
            i64::from(self.width),
            3,
        ])
    }
}
