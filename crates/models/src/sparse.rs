//! What convolutional networks for masked pre-training can do besides [`Backbone`](crate::Backbone).

use crate::Error;
use tch::Tensor;

/// Over which kept positions global response normalisation takes its norms in [`SparseEncoder::forward_sparse`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrnStatistics {
    /// Those of each image by itself, as the dense network does.
    #[default]
    Image,
    /// Those of the whole batch together, as the authors' sparse convolutions do in pre-training.
    Batch,
}

/// A convolutional network that can look at some patches of an image alone, behind
/// [`Backbone::sparse_encoder`](crate::Backbone::sparse_encoder): the encoder of "ConvNeXt V2" (Woo et al., 2023), whose
/// sparse convolutions it equals. ConvNeXts are ones.
pub trait SparseEncoder {
    /// The last map of normalised images `x` (N, C, H, W) as if the patches of 32×32 pixels that `mask` (N, H / 32, W / 32)
    /// hides, by any value but 0, were not there: (N, channels, H / 32, W / 32), zero at hidden patches, before the
    /// head's normalisation. What is hidden costs only the depthwise convolutions. `train` turns stochastic depth on.
    ///
    /// # Errors
    /// When 32 does not divide the sides, when the mask has another shape or hides everything.
    fn forward_sparse(
        &self,
        x: &Tensor,
        mask: &Tensor,
        statistics: GrnStatistics,
        train: bool,
    ) -> Result<Tensor, Error>;
}
