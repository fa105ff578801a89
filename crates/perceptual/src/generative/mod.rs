//! How near generated images are to real ones, from images to figures: FID, KID, Inception score, precision and recall, density and
//! coverage, each as a published pipeline computes it.
//!
//! ```no_run
//! use visrep_models::{Model, ModelOptions};
//! use visrep_perceptual::{ExtractOptions, GenerativePreset, Inception, frechet};
//!
//! let weights = "pt_inception-2015-12-05-6726825d.pth";
//! let options = ModelOptions { num_classes: Some(1008), ..ModelOptions::default() };
//! let (model, _) = Model::from_weights(Inception::MODEL, weights, &options)?;
//! let inception = Inception::new(model)?;
//! let preset = GenerativePreset::PYTORCH_FID;
//! let options = ExtractOptions::default();
//! let of = |folder: &str| inception.extract(visrep_data::open(folder.as_ref())?, &preset, &options, |_| {});
//! println!("FID {:.3}", frechet(&of("generated")?, &of("real")?)?);
//! # Ok::<(), visrep_perceptual::Error>(())
//! ```
//!
//! The formulas are visrep-metrics'; here are the images' way to the network, what is kept of its features, and which samples a
//! pipeline compares. Means and covariances are sums in double precision, batch by batch.

mod extract;
mod figures;
mod images;
mod preset;
mod resize;
mod set;

pub use extract::{ExtractOptions, Inception};
pub use figures::{Neighbours, frechet, inception_score, kid, neighbours};
pub use preset::{GenerativePreset, InceptionResize, InceptionScoreProtocol, KidProtocol, NeighbourProtocol};
pub use set::InceptionSet;
