//! Readers of what the datasets really come as: one file for each format.

mod array;
mod bigearthnet;
mod caltech;
mod clevr;
mod diabetic;
mod hdf5;
mod kitti;
mod lists;
mod mat;
mod norb;
mod svhn;
mod tfrecord;

pub use array::ArrayImages;
#[cfg(feature = "evaluate")]
pub(crate) use bigearthnet::read_patches;
pub use bigearthnet::{BIG_EARTH_NET_19, BIG_EARTH_NET_CLASSES, BigEarthNet, LandCover};
pub use caltech::open_caltech101;
pub use clevr::{ClevrLabel, open_clevr};
pub use diabetic::open_diabetic_retinopathy;
pub use hdf5::{SO2SAT_CLASSES, open_patch_camelyon, open_so2sat};
pub use kitti::{KittiSplits, kitti_splits, open_kitti};
#[cfg(feature = "evaluate")]
pub(crate) use lists::open_sun397;
pub use lists::{open_dtd, open_flowers, open_pets};
pub use mat::{MatArray, read_mat};
pub use norb::{NorbLabel, NorbValues, open_small_norb, write_norb_matrix};
pub use svhn::open_svhn;
pub use tfrecord::TfRecords;
