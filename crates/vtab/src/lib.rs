//! The Visual Task Adaptation Benchmark (Zhai et al. 2020, arXiv 1910.04867) with 1000 training examples, without TensorFlow.
//!
//! [`Task`] is the table of the 19 tasks and of the remote-sensing tasks beside them; [`open_task`] finds a task's data under a
//! folder, in VTAB-1k's file lists, as the dataset is published, or as a mirror; [`VtabSuite`] does so for all and says what is
//! missing; [`VtabBenchmark`] measures a model on them with an [`Adaptation`]: [`FrozenLinear`], [`FineTuneAdaptation`] or
//! [`HeadAdaptation`]. The published protocols are [`AdaptationProtocol`]s.
//!
//! | dataset | read as |
//! |---|---|
//! | SVHN, Flowers-102 | MATLAB's level 5 files ([`read_mat`], [`open_svhn`]) |
//! | smallNORB | its binary matrices ([`open_small_norb`]) |
//! | dSprites | NPZ, by visrep-data |
//! | CLEVR | scene JSON and images ([`open_clevr`]) |
//! | KITTI | label files, splits by drive as TFDS draws them ([`open_kitti`], [`kitti_splits`]) |
//! | DMLab | TFRecord ([`TfRecords`]) |
//! | Diabetic Retinopathy | Kaggle's files, prepared as `btgraham-300` ([`open_diabetic_retinopathy`]) |
//! | DTD, Pets, SUN397 | their lists of splits |
//! | Caltech-101, EuroSAT, RESISC45, UC Merced | folders of classes |
//! | PatchCamelyon, So2Sat | HDF5 ([`open_patch_camelyon`], [`open_so2sat`]) |
//! | BigEarthNet | TIFF bands and JSON, several classes for an image ([`BigEarthNetBenchmark`]) |
//! | every one | VTAB-1k's file lists, Parquet, WebDataset and image folders with the task's labels |
//!
//! **Which 1000 images?** VTAB takes the first of TensorFlow Datasets' storage order, which nothing but TensorFlow Datasets can tell.
//! Lists that were made with it are taken as they are; without them the examples are drawn with a seed, and every score says so.
//!
//! ```
//! use visrep_data::Dataset as _;
//! use visrep_vtab::{OpenOptions, Task, VtabSuite, kitti_distance};
//!
//! assert_eq!("kitti_distance".parse::<Task>()?.info().classes, 4);
//! assert_eq!(kitti_distance([("Van", 12.5), ("Pedestrian", 3.0)]), 1);
//!
//! // Four structured tasks without any download, on drawn sprites and toys.
//! let suite = VtabSuite::drawn(&OpenOptions { limit: Some(100), ..OpenOptions::default() })?;
//! assert_eq!((suite.found[0].train1000.len(), suite.found[0].test.len()), (1000, 100));
//! # Ok::<(), visrep_vtab::Error>(())
//! ```
//!
//! Without the feature `evaluate`, which is on by default, only the readers are built, and no LibTorch is needed.
#![forbid(unsafe_code)]

#[cfg(feature = "evaluate")]
mod adapt;
mod error;
mod labels;
#[cfg(feature = "evaluate")]
mod multi_label;
#[cfg(feature = "evaluate")]
mod open;
#[cfg(feature = "evaluate")]
mod prepare;
mod preprocess;
#[cfg(feature = "evaluate")]
mod protocol;
mod read;
mod sprites;
mod store;
#[cfg(feature = "evaluate")]
mod suite;
mod task;
mod toys;

#[cfg(feature = "evaluate")]
pub use adapt::{Adaptation, Adapted, FineTuneAdaptation, FrozenLinear, HeadAdaptation};
pub use error::Error;
pub use labels::{
    KITTI_VEHICLES, clevr_count, clevr_distance, dsprites_location, dsprites_orientation, kitti_distance,
    norb_azimuth, norb_elevation, svhn_digit,
};
#[cfg(feature = "evaluate")]
pub use multi_label::BigEarthNetBenchmark;
#[cfg(feature = "evaluate")]
pub use open::{OpenOptions, Origin, TaskData, Whole, open_task, task_folders};
#[cfg(feature = "evaluate")]
pub use prepare::InputPreparation;
pub use preprocess::{Sampling, resize_bilinear};
#[cfg(feature = "evaluate")]
pub use protocol::{
    ADAPTER_PAPER, ADAPTER_PAPER_LINEAR, AdaptationProtocol, Examples, InputRange, LIGHTWEIGHT_SWEEP,
    OFFICIAL, Rule, Schedule, Trained,
};
pub use read::{
    ArrayImages, BIG_EARTH_NET_19, BIG_EARTH_NET_CLASSES, BigEarthNet, ClevrLabel, KittiSplits, LandCover,
    MatArray, NorbLabel, NorbValues, SO2SAT_CLASSES, TfRecords, kitti_splits, open_caltech101, open_clevr,
    open_diabetic_retinopathy, open_dtd, open_flowers, open_kitti, open_patch_camelyon, open_pets,
    open_small_norb, open_so2sat, open_svhn, read_mat, write_norb_matrix,
};
pub use sprites::{SpriteLabel, SpriteLatents, Sprites};
#[cfg(feature = "evaluate")]
pub use suite::{MissingTask, VtabBenchmark, VtabSuite};
pub use task::{Sizes, Task, TaskInfo};
pub use toys::{ToyLatents, ToyPart, Toys};
