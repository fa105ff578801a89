//! Readers of what the datasets really come as: one file for each format.

mod bigearthnet;
mod clevr;
mod diabetic;
mod kitti;
mod lists;
mod mat;
mod norb;
mod svhn;
mod tfrecord;

pub use bigearthnet::{BIG_EARTH_NET_CLASSES, BigEarthNet};
pub use clevr::{ClevrLabel, open_clevr};
pub use diabetic::open_diabetic_retinopathy;
pub use kitti::{KittiSplits, kitti_splits, open_kitti};
#[cfg(feature = "evaluate")]
pub(crate) use lists::open_sun397;
pub use lists::{open_dtd, open_flowers, open_pets};
pub use mat::{MatArray, read_mat};
pub use norb::{NorbLabel, NorbValues, SmallNorb, write_norb_matrix};
pub use svhn::Svhn;
pub use tfrecord::TfRecords;
