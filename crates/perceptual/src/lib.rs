//! Perceptual distances from any backbone's taps, how far they agree with people, and FID and its kin.
//!
//! [`Lpips`] is LPIPS, with its learned heads or without. [`PerceptualDistance`] is the "baseline" distance of LPIPS (Zhang et al. 2018) on a network of
//! one's choice, [`FeatureDistances`] the other forms of distance between activations. [`BappsFolder`] reads the judgements of people; [`score_pairs`] and
//! [`score_triplets`] ask of any [`ImageDistance`] which of two images it finds nearer to a reference; [`PixelDistance`] and [`StructuralDistance`] are what
//! every learned distance should beat. [`train_heads`] learns LPIPS's heads from judgements, by the steps of a [`HeadTrainer`].
//!
//! Where nobody has judged, [`strength_triplets`] have a known answer, one distortion at two strengths, and [`band_noise`] is noise of some
//! frequencies alone.
//!
//! Of images, [`Inception`], FID's network, makes an [`InceptionSet`] by the published pipeline that a [`GenerativePreset`] describes; two
//! sets give the Fréchet distance ([`frechet`]), the kernel distance ([`kid`]), precision, recall, density and coverage ([`neighbours`]), and one
//! set its [`inception_score`].
#![forbid(unsafe_code)]

mod bapps;
mod distance;
mod error;
mod features;
mod forms;
mod generative;
mod jnd;
mod lpips;
mod noise;
mod pixel;
mod triplets;

pub use bapps::{BappsFolder, BappsSet};
pub use distance::PerceptualDistance;
pub use error::Error;
pub use features::{FeatureDistances, perceptual_taps};
pub use forms::DistanceForm;
pub use generative::{
    ExtractOptions, GenerativePreset, Inception, InceptionResize, InceptionScoreProtocol, InceptionSet,
    KidProtocol, NeighbourProtocol, Neighbours, frechet, inception_score, kid, neighbours,
};
pub use jnd::{JndPair, JndScores, score_pairs, score_pairs_by};
pub use lpips::{
    HeadPasses, HeadStep, HeadTrainer, HeadTraining, Lpips, LpipsHeads, LpipsNet, LpipsVersion, PixelRange,
    train_heads,
};
pub use noise::band_noise;
pub use pixel::{PixelDistance, StructuralDistance, ms_ssim, ms_ssim_fitted, mse, psnr, ssim};
pub use triplets::{
    ImageDistance, ImageDistances, Triplet, TripletScores, score_triplets, score_triplets_by,
    strength_triplets,
};
