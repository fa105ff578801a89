//! The transfer protocol of "Do better ImageNet models transfer better?" (Kornblith, Shlens & Le 2019, arXiv 1805.08974): how good
//! a classifier of frozen features is on twelve datasets, and how good the network is when it is fine-tuned.
//!
//! [`TransferDataset`] is the table of the twelve with their official sizes and figures; [`open_transfer`] finds one under a folder,
//! as it is published or in any form that visrep-data opens; [`SUITES`] has the measurements. `transfer` is logistic regression by
//! L-BFGS, the strength of the penalty chosen among 45 on validation images, then fitted to these too. `transfer-fine-tune` trains the
//! whole network, with the best of 56 learning rates and weight decays ([`FineTuneSearch`]); it leaves out Pascal VOC, whose images
//! have several classes. The numbers of both are taken from the paper.
//!
//! | dataset | read as it is published |
//! |---|---|
//! | Food-101, SUN397, FGVC Aircraft | their lists of splits |
//! | Pascal VOC 2007 | its lists of each class, several classes for an image |
//! | DTD, Pets, Flowers-102 | by visrep-vtab's readers |
//! | CIFAR-10 and -100 | their binary files |
//! | Caltech-101 | its folders of classes, 30 images of each drawn for training |
//! | every one, and so Birdsnap and Stanford Cars | `train`, `val` and `test` as image folders, Parquet or WebDataset |
//!
//! ```
//! use visrep_transfer::{TransferDataset, TransferMetric};
//!
//! let aircraft: TransferDataset = "aircraft".parse()?;
//! assert_eq!((aircraft.info().classes, aircraft.info().train), (100, 6667));
//! assert_eq!(aircraft.info().metric, TransferMetric::MeanPerClass);
//! # Ok::<(), visrep_transfer::Error>(())
//! ```
#![forbid(unsafe_code)]

mod dataset;
mod error;
mod fine_tune;
mod fit;
mod frozen;
mod open;
mod read;
mod suite;
mod voc;

pub use dataset::{TransferDataset, TransferInfo, TransferMetric};
pub use error::Error;
pub use fine_tune::{FineTuneCandidate, FineTuneSearch};
pub use fit::{L2_GRID, transfer_probe_options};
pub use open::{TransferData, TransferLabels, open_transfer};
pub use read::{open_aircraft, open_food101, open_sun397_official};
pub use suite::SUITES;
pub use voc::{VOC_CLASSES, VocSplit};
