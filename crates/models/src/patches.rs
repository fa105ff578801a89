//! What transformers over patches can do besides [`Backbone`](crate::Backbone).

use crate::Error;
use tch::Tensor;

/// A transformer whose tokens are the patches of an image, behind
/// [`Backbone::patch_transformer`](crate::Backbone::patch_transformer).
pub trait PatchTransformer {
    /// The side of a patch in pixels.
    fn patch_size(&self) -> i64;

    /// Cuts patches with another `side` from the next forward pass on: the kernels are resampled from the parameters, which
    /// stay as they are and receive the gradients ("FlexiViT: one model for all patch sizes", Beyer et al., 2023). What
    /// was measured before is measured again after going back. Position embeddings follow the grid.
    ///
    /// # Errors
    /// A side below 1, and networks whose stem is not one linear map of each patch.
    fn set_patch_size(&self, side: i64) -> Result<(), Error>;

    /// The rows and columns of patches in an image of (rows, columns) pixels.
    ///
    /// # Errors
    /// Sides that the patch does not divide; the nearest that it does are named.
    fn grid(&self, image: (i64, i64)) -> Result<(i64, i64), Error>;

    /// The last layer's tokens (N, T, C) of normalised images `x`, after the final norm where there is one: the prefix
    /// tokens, then one per patch. With `keep` (N, K), int64, only the patches of those indices enter the network, in that
    /// order, which is what masked autoencoders train on; indices count the patches row by row. `train` turns stochastic
    /// depth on.
    ///
    /// # Errors
    /// Images that do not fit the network; a `keep` of another kind or shape, or with indices out of range.
    fn forward_tokens(&self, x: &Tensor, keep: Option<&Tensor>, train: bool) -> Result<Tensor, Error>;

    /// As [`Self::forward_tokens`] of all patches, with `token` (C) in the place of the embeddings of the patches that
    /// `masked` (N, patches), of booleans, marks; positions are added after that (BEiT, SimMIM, iBOT). Gradients reach
    /// `token`.
    ///
    /// # Errors
    /// Images that do not fit the network, a mask or a token of another kind or shape.
    fn forward_masked(
        &self,
        x: &Tensor,
        masked: &Tensor,
        token: &Tensor,
        train: bool,
    ) -> Result<Tensor, Error>;

    /// The vector (N, C) that [`Backbone::forward_features`](crate::Backbone::forward_features) pools from the last layer's
    /// tokens, for those that [`Self::forward_tokens`] and [`Self::forward_masked`] give.
    ///
    /// # Errors
    /// Tokens of another shape.
    fn pool(&self, tokens: &Tensor) -> Result<Tensor, Error>;
}

/// The pixels of each patch, (N, patches, side · side · C), of images (N, C, H, W): patches row by row, and in a patch pixel
/// by pixel with its channels together, as masked autoencoders predict them.
///
/// # Errors
/// Another shape, or sides that `side` does not divide.
pub fn patchify(images: &Tensor, side: i64) -> Result<Tensor, Error> {
    let &[n, c, rows, columns] = images.size().as_slice() else { return Err(unfit(images, side)) };
    if side < 1 || rows < side || columns < side || rows % side != 0 || columns % side != 0 {
        return Err(unfit(images, side));
    }
    let cut = images.f_reshape([n, c, rows / side, side, columns / side, side])?;
    Ok(cut.f_permute([0, 2, 4, 3, 5, 1])?.f_reshape([n, -1, side * side * c])?)
}

fn unfit(images: &Tensor, side: i64) -> Error {
    let expected = format!("give images (N, C, H, W) with sides that are multiples of {side}");
    Error::Input { got: images.size(), expected }
}
