//! Datasets (where samples are), their splits, and the threaded loader.
//!
//! A [`Dataset`] gives samples by index, from any thread. [`open`] and [`open_splits`] find out what a path, a pattern or an
//! address holds:
//!
//! | source | type | read | feature |
//! |---|---|---|---|
//! | a folder of images per class | [`ImageFolder`] | a file for each sample | |
//! | Parquet, Hugging Face's image schema | [`Parquet`] | by row group, through a cache of bounded size | `parquet` |
//! | Arrow IPC, the same schema | [`ArrowIpc`] | in place | `arrow` |
//! | tar (WebDataset), plain or gzip | [`WebDataset`], [`TarStream`] | in place; or from front to back | `webdataset` |
//! | MNIST's IDX, CIFAR's binary files | [`RawImages`] | in place, as pixels | |
//! | NumPy's NPY, NPZ | [`RawImages`] | in place, as pixels | `numpy` |
//! | a `.csv`, `.tsv` or `.txt` list of paths and labels | [`ListFile`] | a file for each sample | |
//! | videos, MP4 | [`VideoFrames`], [`SequenceFiles`] | by the program `ffmpeg`, a process for each | |
//! | `https://`, `s3://`, `file://` | of Parquet, Arrow, tar | in pieces, through a cache | `remote` |
//!
//! The features are on by default but for `remote`, and `tensor`, which gives batches as LibTorch tensors. What a build
//! leaves out is still recognised, and the error names its feature.
//!
//! With the feature `corrupt`, `CorruptedViews` has every sample of another dataset under the corruptions of ImageNet-C, made
//! when they are asked for.
//!
//! [`Subset`], [`Concat`] and [`Map`] make new datasets of others, [`PixelCache`] keeps a small one decoded, [`InMemory`] and
//! [`Patches`] are datasets of what is in memory. What is kept of a set does not grow with its samples but for their
//! labels, of one to four bytes each, and four bytes for the place of each in tar archives; [`ImageFolder`] keeps names, of some 30 bytes each.
//!
//! A [`Loader`] reads a dataset epoch by epoch on worker threads, decodes each image once, draws its [`Views`] and
//! delivers them as [`Batch`]es of 8-bit RGB in a fixed order: samples once each, or drawn by class or weight
//! ([`Sampling`]), all or a process's share ([`ProcessShare`]). Any batch of any epoch can be the first, and is the same then.
//! [`convert`] writes any dataset as Parquet.
//!
//! ```
//! use std::sync::Arc;
//! use visrep_augment::Compose;
//! use visrep_data::{InMemory, Loader, LoaderOptions, Sample, SampleImage, Views};
//! use visrep_decode::RgbImage;
//!
//! let sample = |i: u8| Sample {
//!     image: SampleImage::Decoded(RgbImage::filled(8, 8, [i, 0, 0])),
//!     label: Some(0),
//!     key: format!("grey {i}"),
//! };
//! let data = Arc::new(InMemory::new((0..10).map(sample).collect(), vec!["grey".into()]));
//! let options = LoaderOptions { batch_size: 4, shuffle: true, ..LoaderOptions::default() };
//! let loader = Loader::new(data, Views::same(Compose::new(), 2), options)?;
//! for batch in loader.epoch(0, 0) {
//!     let batch = batch?;
//!     assert_eq!(batch.views.len(), 2);
//!     assert_eq!(batch.views[0].data.len(), batch.views[0].n * 8 * 8 * 3);
//! }
//! # Ok::<(), visrep_data::Error>(())
//! ```
#![forbid(unsafe_code)]

mod batch;
mod cache;
#[cfg(any(feature = "arrow", feature = "parquet"))]
mod columns;
mod combine;
#[cfg(feature = "parquet")]
mod convert;
#[cfg(feature = "corrupt")]
mod corrupted;
mod dataset;
mod decode;
mod error;
mod expand;
#[cfg(feature = "parquet")]
mod extra_column;
mod files;
mod fingerprint;
mod folder;
#[cfg(feature = "arrow")]
mod ipc;
mod labels;
mod list;
mod loader;
mod map;
mod memory;
mod natural;
mod open;
mod parallel;
#[cfg(feature = "parquet")]
mod parquet;
mod patches;
mod raw;
#[cfg(feature = "remote")]
mod remote;
mod sheet;
mod source;
mod split;
#[cfg(feature = "webdataset")]
mod tar;
mod video;

pub use batch::{Batch, ImageBatch};
#[cfg(any(feature = "arrow", feature = "parquet"))]
pub use columns::ColumnOptions;
pub use combine::{Concat, Subset};
#[cfg(feature = "parquet")]
pub use convert::{ConvertOptions, Converted, Reencode, convert, recorded};
#[cfg(feature = "corrupt")]
pub use corrupted::{Condition, CorruptedViews};
pub use dataset::{Dataset, Sample, SampleImage, SampleStream};
pub use decode::{decode_sample, decode_views};
pub use error::Error;
#[cfg(feature = "parquet")]
pub use extra_column::Column;
pub use files::ImageFiles;
pub use fingerprint::Fingerprint;
pub use folder::ImageFolder;
#[cfg(feature = "arrow")]
pub use ipc::ArrowIpc;
pub use list::ListFile;
pub use loader::{
    ClassPositives, Epoch, Loader, LoaderOptions, OnBadSample, Positives, ProcessShare, Sampling,
    SequencePositives, Skipped, StreamLoader, Views,
};
pub use map::{Map, PixelCache};
pub use memory::InMemory;
pub use open::{Splits, open, open_splits};
#[cfg(feature = "parquet")]
pub use parquet::Parquet;
pub use patches::{PatchOptions, Patches};
pub use raw::RawImages;
#[cfg(feature = "numpy")]
pub use raw::{NpyArray, NpyOptions};
#[cfg(feature = "remote")]
pub use remote::open_remote;
pub use sheet::{Sheet, contact_sheet};
pub use split::stratified_split;
#[cfg(feature = "webdataset")]
pub use tar::{StreamOptions, TarStream, WebDataset};
pub use video::{Ffmpeg, SequenceFiles, VideoFrames};
