//! The table of the twelve datasets.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A dataset of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferDataset {
    /// Food-101 (Bossard et al. 2014).
    Food101,
    /// CIFAR-10 (Krizhevsky 2009).
    Cifar10,
    /// CIFAR-100 (Krizhevsky 2009).
    Cifar100,
    /// Birdsnap (Berg et al. 2014).
    Birdsnap,
    /// SUN397 (Xiao et al. 2010), the first of its splits.
    Sun397,
    /// Stanford Cars (Krause et al. 2013).
    Cars,
    /// FGVC Aircraft (Maji et al. 2013), variants.
    Aircraft,
    /// Pascal VOC 2007 classification (Everingham et al.).
    Voc2007,
    /// Describable Textures (Cimpoi et al. 2014), the first of its splits.
    Dtd,
    /// Oxford-IIIT Pets (Parkhi et al. 2012).
    Pets,
    /// Caltech-101 (Fei-Fei et al. 2004).
    Caltech101,
    /// Oxford Flowers-102 (Nilsback & Zisserman 2008).
    Flowers102,
}

/// The figure that the protocol reports of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMetric {
    /// The share of images that are classified right.
    Top1,
    /// The mean over classes of the share of a class's images.
    MeanPerClass,
    /// The mean over classes of the average precision at eleven recalls, VOC 2007's.
    MeanAveragePrecision11,
}

impl TransferMetric {
    /// What scores call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top1 => "top1",
            Self::MeanPerClass => "mean-per-class",
            Self::MeanAveragePrecision11 => "map-11",
        }
    }
}

/// What is known of a dataset. Numbers of images are those of its official splits; training includes validation.
#[derive(Clone, Copy, Debug)]
pub struct TransferInfo {
    /// As people type it.
    pub name: &'static str,
    /// The number of classes.
    pub classes: usize,
    /// Images for training and validation.
    pub train: usize,
    /// Images for testing.
    pub test: usize,
    /// The figure.
    pub metric: TransferMetric,
    /// Folders under the root in which it may lie, the way archives unpack and `visrep data get` makes them.
    pub folders: &'static [&'static str],
}

const fn info(
    name: &'static str,
    classes: usize,
    train: usize,
    test: usize,
    metric: TransferMetric,
    folders: &'static [&'static str],
) -> TransferInfo {
    TransferInfo { name, classes, train, test, metric, folders }
}

impl TransferDataset {
    /// All, in the order of the paper's table.
    pub const ALL: [Self; 12] = [
        Self::Food101,
        Self::Cifar10,
        Self::Cifar100,
        Self::Birdsnap,
        Self::Sun397,
        Self::Cars,
        Self::Aircraft,
        Self::Voc2007,
        Self::Dtd,
        Self::Pets,
        Self::Caltech101,
        Self::Flowers102,
    ];

    /// What is known of it.
    pub fn info(self) -> TransferInfo {
        use TransferMetric::{MeanAveragePrecision11 as Map, MeanPerClass as Mean, Top1};
        match self {
            Self::Food101 => info("food101", 101, 75_750, 25_250, Top1, &["food-101"]),
            Self::Cifar10 => info("cifar10", 10, 50_000, 10_000, Top1, &["cifar-10-batches-bin", "cifar-10"]),
            Self::Cifar100 => {
                let folders = &["cifar-100-binary", "vtab/cifar100/cifar-100-binary", "vtab/cifar100"];
                info("cifar100", 100, 50_000, 10_000, Top1, folders)
            }
            Self::Birdsnap => info("birdsnap", 500, 47_386, 2_443, Top1, &["birdsnap"]),
            Self::Sun397 => info("sun397", 397, 19_850, 19_850, Top1, &["SUN397", "vtab/sun397/SUN397"]),
            Self::Cars => info("cars", 196, 8_144, 8_041, Top1, &["stanford_cars", "cars"]),
            Self::Aircraft => info("aircraft", 100, 6_667, 3_333, Mean, &["fgvc-aircraft-2013b"]),
            Self::Voc2007 => info("voc2007", 20, 5_011, 4_952, Map, &["VOCdevkit/VOC2007", "VOC2007"]),
            Self::Dtd => info("dtd", 47, 3_760, 1_880, Top1, &["dtd", "vtab/dtd/dtd", "vtab/dtd"]),
            Self::Pets => {
                let folders = &["oxford-iiit-pet", "vtab/pets/oxford-iiit-pet", "vtab/pets"];
                info("pets", 37, 3_680, 3_669, Mean, folders)
            }
            Self::Caltech101 => {
                let folders =
                    &["caltech-101", "caltech101", "vtab/caltech101/caltech-101", "vtab/caltech101"];
                info("caltech101", 102, 3_060, 6_084, Mean, folders)
            }
            Self::Flowers102 => {
                let folders = &["flowers-102", "vtab/flowers102/flowers-102", "vtab/flowers102"];
                info("flowers102", 102, 2_040, 6_149, Mean, folders)
            }
        }
    }
}

impl fmt::Display for TransferDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

impl FromStr for TransferDataset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|dataset| dataset.info().name == name).ok_or_else(|| Error::Unknown {
            name: name.to_owned(),
            known: Self::ALL.map(|dataset| dataset.info().name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for dataset in TransferDataset::ALL {
            assert_eq!(dataset.to_string().parse::<TransferDataset>().unwrap(), dataset);
        }
        let error = "imagenet".parse::<TransferDataset>().unwrap_err().to_string();
        assert!(error.contains("`imagenet`") && error.contains("food101, cifar10"), "{error}");
    }
}
