//! The tasks: what each is made of, as data.

use crate::Error;
use std::str::FromStr;
use visrep_metrics::VtabGroup;

/// A task of VTAB, or one of the remote-sensing tasks that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is described by its `TaskInfo`")]
pub enum Task {
    Caltech101,
    Cifar100,
    Dtd,
    Flowers102,
    Pets,
    Svhn,
    Sun397,
    PatchCamelyon,
    EuroSat,
    Resisc45,
    DiabeticRetinopathy,
    ClevrCount,
    ClevrDistance,
    DmLab,
    KittiDistance,
    DspritesLocation,
    DspritesOrientation,
    SmallNorbAzimuth,
    SmallNorbElevation,
    UcMerced,
    So2Sat,
    BigEarthNet,
}

/// Numbers of images in the splits that VTAB makes of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// For training.
    pub train: usize,
    /// For validation.
    pub val: usize,
    /// For testing.
    pub test: usize,
}

/// What is known of a task. Splits and label rules are those of google-research/task_adaptation, `task_adaptation/data/*.py`.
#[derive(Clone, Copy, Debug)]
pub struct TaskInfo {
    /// The name, as [`visrep_metrics::VTAB_TASKS`] has it.
    pub name: &'static str,
    /// VTAB's group; `None` for a task that is not among the 19.
    pub group: Option<VtabGroup>,
    /// The dataset, which two tasks may share: the name of its folder.
    pub dataset: &'static str,
    /// Other names of its folder: those of the VTAB-1k file lists, and of mirrors.
    pub folders: &'static [&'static str],
    /// The number of classes.
    pub classes: usize,
    /// Whether an image may have several classes.
    pub multi_label: bool,
    /// The version that VTAB takes from TensorFlow Datasets.
    pub tfds: &'static str,
    /// The sizes of VTAB's splits.
    pub sizes: Option<Sizes>,
    /// How validation (and where there is none, test) data are taken apart.
    pub splits: &'static str,
    /// What the classes are.
    pub labels: &'static str,
    /// Whether a mirrored image (left and right) keeps its label. BiT-HyperRule mirrors only then; its authors name no tasks, so
    /// that this and [`Self::crops`] are read off the labels.
    pub flips: bool,
    /// Whether an image of which a random part is cut off keeps its label.
    pub crops: bool,
}

impl Task {
    /// The 19 tasks in VTAB's order.
    pub const VTAB: [Self; 19] = [
        Self::Caltech101,
        Self::Cifar100,
        Self::Dtd,
        Self::Flowers102,
        Self::Pets,
        Self::Svhn,
        Self::Sun397,
        Self::PatchCamelyon,
        Self::EuroSat,
        Self::Resisc45,
        Self::DiabeticRetinopathy,
        Self::ClevrCount,
        Self::ClevrDistance,
        Self::DmLab,
        Self::KittiDistance,
        Self::DspritesLocation,
        Self::DspritesOrientation,
        Self::SmallNorbAzimuth,
        Self::SmallNorbElevation,
    ];

    /// Remote sensing: two of VTAB's tasks and three more.
    pub const REMOTE_SENSING: [Self; 5] =
        [Self::EuroSat, Self::Resisc45, Self::UcMerced, Self::So2Sat, Self::BigEarthNet];

    /// Every task.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VTAB.into_iter().chain([Self::UcMerced, Self::So2Sat, Self::BigEarthNet])
    }

    /// The task's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// What is known of the task.
    #[must_use]
    pub fn info(self) -> &'static TaskInfo {
        &TABLE[self as usize]
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = Error;

    /// By name, or by a name of its folder where no other task has it.
    fn from_str(name: &str) -> Result<Self, Error> {
        if let Some(task) = Self::all().find(|task| task.name() == name) {
            return Ok(task);
        }
        let mut by_folder = Self::all().filter(|task| task.info().folders.contains(&name));
        if let (Some(task), None) = (by_folder.next(), by_folder.next()) {
            return Ok(task);
        }
        let mut near: Vec<_> =
            Self::all().map(|task| (strsim::jaro_winkler(task.name(), name), task.name())).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near = near.iter().take(3).map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        Err(Error::UnknownTask { name: name.into(), near })
    }
}

const fn sizes(train: usize, val: usize, test: usize) -> Option<Sizes> {
    Some(Sizes { train, val, test })
}

/// In the order of [`Task`]'s variants.
static TABLE: [TaskInfo; 22] = {
    use VtabGroup::{Natural, Specialized, Structured};
    const BASE: TaskInfo = TaskInfo {
        name: "",
        group: None,
        dataset: "",
        folders: &[],
        classes: 0,
        multi_label: false,
        tfds: "",
        sizes: None,
        splits: "",
        labels: "the dataset's classes",
        flips: true,
        crops: true,
    };
    [
        TaskInfo {
            name: "caltech101",
            group: Some(Natural),
            dataset: "caltech101",
            folders: &["wds_vtab-caltech101", "caltech-101"],
            classes: 102,
            tfds: "caltech101:3.*",
            sizes: sizes(2754, 306, 6084),
            splits: "30 images of each class are for training, the last tenth of them for validation; the rest is for testing",
            labels: "101 objects and the background",
            ..BASE
        },
        TaskInfo {
            name: "cifar100",
            group: Some(Natural),
            dataset: "cifar100",
            folders: &["cifar", "wds_vtab-cifar100", "cifar-100-binary"],
            classes: 100,
            tfds: "cifar100:3.*",
            sizes: sizes(45_000, 5000, 10_000),
            splits: "the last tenth of the training images is for validation",
            ..BASE
        },
        TaskInfo {
            name: "dtd",
            group: Some(Natural),
            dataset: "dtd",
            folders: &["wds_vtab-dtd"],
            classes: 47,
            tfds: "dtd:3.*",
            sizes: sizes(1880, 1880, 1880),
            splits: "the first of the dataset's ten",
            ..BASE
        },
        TaskInfo {
            name: "flowers102",
            group: Some(Natural),
            dataset: "flowers102",
            folders: &["oxford_flowers102", "wds_vtab-flowers", "flowers-102"],
            classes: 102,
            tfds: "oxford_flowers102:2.*",
            sizes: sizes(1020, 1020, 6149),
            splits: "the dataset's",
            ..BASE
        },
        TaskInfo {
            name: "pets",
            group: Some(Natural),
            dataset: "pets",
            folders: &["oxford_iiit_pet", "wds_vtab-pets", "oxford-iiit-pet"],
            classes: 37,
            tfds: "oxford_iiit_pet:3.*",
            sizes: sizes(2944, 736, 3669),
            splits: "the last fifth of the training images is for validation",
            ..BASE
        },
        TaskInfo {
            name: "svhn",
            group: Some(Natural),
            dataset: "svhn",
            folders: &["wds_vtab-svhn"],
            classes: 10,
            tfds: "svhn_cropped:3.*",
            sizes: sizes(65_931, 7326, 26_032),
            splits: "the last tenth of the training images is for validation; the extra images are not used",
            labels: "the digit; files call 0 10",
            flips: false,
            ..BASE
        },
        TaskInfo {
            name: "sun397",
            group: Some(Natural),
            dataset: "sun397",
            folders: &["wds_sun397", "SUN397"],
            classes: 397,
            tfds: "sun397/tfds:4.*",
            sizes: sizes(76_128, 10_875, 21_750),
            splits: "TFDS's lists",
            ..BASE
        },
        TaskInfo {
            name: "patch_camelyon",
            group: Some(Specialized),
            dataset: "patch_camelyon",
            folders: &["wds_vtab-pcam", "pcam"],
            classes: 2,
            tfds: "patch_camelyon:2.*",
            sizes: sizes(262_144, 32_768, 32_768),
            splits: "the dataset's",
            labels: "whether the centre holds tumour tissue",
            ..BASE
        },
        TaskInfo {
            name: "eurosat",
            group: Some(Specialized),
            dataset: "eurosat",
            folders: &["wds_vtab-eurosat"],
            classes: 10,
            tfds: "eurosat/rgb:2.*",
            sizes: sizes(16_200, 5400, 5400),
            splits: "60, 20 and 20 % of the only split",
            ..BASE
        },
        TaskInfo {
            name: "resisc45",
            group: Some(Specialized),
            dataset: "resisc45",
            folders: &["wds_vtab-resisc45"],
            classes: 45,
            tfds: "resisc45:3.*",
            sizes: sizes(18_900, 6300, 6300),
            splits: "60, 20 and 20 % of the only split",
            ..BASE
        },
        TaskInfo {
            name: "diabetic_retinopathy",
            group: Some(Specialized),
            dataset: "diabetic_retinopathy",
            folders: &["wds_vtab-diabetic_retinopathy"],
            classes: 5,
            tfds: "diabetic_retinopathy_detection/btgraham-300",
            sizes: sizes(35_126, 10_906, 42_670),
            splits: "the competition's public test images are for validation, the private ones for testing",
            labels: "five grades",
            ..BASE
        },
        TaskInfo {
            name: "clevr_count",
            group: Some(Structured),
            dataset: "clevr",
            folders: &["wds_vtab-clevr_count_all"],
            classes: 8,
            tfds: "clevr:3.*",
            sizes: sizes(63_000, 7000, 15_000),
            splits: "the last tenth of the training images is for validation; the dataset's validation images are for testing",
            labels: "3 to 10 objects",
            crops: false,
            ..BASE
        },
        TaskInfo {
            name: "clevr_distance",
            group: Some(Structured),
            dataset: "clevr",
            folders: &["clevr_dist", "wds_vtab-clevr_closest_object_distance"],
            classes: 6,
            tfds: "clevr:3.*",
            sizes: sizes(63_000, 7000, 15_000),
            splits: "as clevr_count",
            labels: "the distance of the nearest object, in bins that end at 8, 8.5, 9, 9.5 and 10",
            crops: false,
            ..BASE
        },
        TaskInfo {
            name: "dmlab",
            group: Some(Structured),
            dataset: "dmlab",
            folders: &["wds_vtab-dmlab"],
            classes: 6,
            tfds: "dmlab:2.0.1",
            sizes: sizes(65_550, 22_628, 22_735),
            splits: "the dataset's",
            labels: "close, far or very far, each with a positive or a negative reward",
            ..BASE
        },
        TaskInfo {
            name: "kitti_distance",
            group: Some(Structured),
            dataset: "kitti",
            folders: &["wds_vtab-kitti_closest_vehicle_distance"],
            classes: 4,
            tfds: "kitti:3.*",
            sizes: sizes(6347, 423, 711),
            splits: "whole drives, drawn by NumPy's generator with seed 123, a tenth for validation and a tenth for testing",
            labels: "the nearest car, van or truck: up to 8 m, up to 20 m, beyond, none",
            crops: false,
            ..BASE
        },
        TaskInfo {
            name: "dsprites_location",
            group: Some(Structured),
            dataset: "dsprites",
            folders: &["dsprites_loc", "wds_vtab-dsprites_label_x_position"],
            classes: 16,
            tfds: "dsprites:2.*",
            sizes: sizes(589_824, 73_728, 73_728),
            splits: "80, 10 and 10 % of the only split",
            labels: "the x position, 32 classes in pairs",
            flips: false,
            crops: false,
            ..BASE
        },
        TaskInfo {
            name: "dsprites_orientation",
            group: Some(Structured),
            dataset: "dsprites",
            folders: &["dsprites_ori", "wds_vtab-dsprites_label_orientation"],
            classes: 16,
            tfds: "dsprites:2.*",
            sizes: sizes(589_824, 73_728, 73_728),
            splits: "80, 10 and 10 % of the only split",
            labels: "the orientation, 40 classes in 16 bins",
            flips: false,
            ..BASE
        },
        TaskInfo {
            name: "smallnorb_azimuth",
            group: Some(Structured),
            dataset: "smallnorb",
            folders: &["smallnorb_azi", "wds_vtab-smallnorb_label_azimuth"],
            classes: 18,
            tfds: "smallnorb:2.*",
            sizes: sizes(24_300, 12_150, 12_150),
            splits: "the first half of the test images is for validation",
            labels: "the azimuth, 20 degrees apart",
            flips: false,
            ..BASE
        },
        TaskInfo {
            name: "smallnorb_elevation",
            group: Some(Structured),
            dataset: "smallnorb",
            folders: &["smallnorb_ele", "wds_vtab-smallnorb_label_elevation"],
            classes: 9,
            tfds: "smallnorb:2.*",
            sizes: sizes(24_300, 12_150, 12_150),
            splits: "the first half of the test images is for validation",
            labels: "the elevation, 5 degrees apart",
            ..BASE
        },
        TaskInfo {
            name: "uc_merced",
            dataset: "uc_merced",
            folders: &["ucmerced", "UCMerced_LandUse"],
            classes: 21,
            tfds: "uc_merced:2.*",
            splits: "60, 20 and 20 % of the only split",
            ..BASE
        },
        TaskInfo {
            name: "so2sat",
            dataset: "so2sat",
            folders: &[],
            classes: 17,
            tfds: "so2sat/rgb:2.*",
            splits: "the dataset's validation images are for testing",
            labels: "local climate zones",
            ..BASE
        },
        TaskInfo {
            name: "bigearthnet",
            dataset: "bigearthnet",
            folders: &["BigEarthNet-v1.0"],
            classes: 43,
            multi_label: true,
            tfds: "bigearthnet/rgb:1.*",
            splits: "the authors' test list, or a fifth of the only split for testing; 1000 of the rest for training",
            labels: "land cover of the CORINE database, several for an image",
            ..BASE
        },
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_metrics::VTAB_TASKS;

    #[test]
    fn the_table_is_that_of_the_metrics() {
        let named: Vec<_> = Task::VTAB.iter().map(|task| (task.name(), task.info().group)).collect();
        let known: Vec<_> = VTAB_TASKS.iter().map(|(name, group)| (*name, Some(*group))).collect();
        assert_eq!(named, known);
        for (at, task) in Task::all().enumerate() {
            assert_eq!(task as usize, at);
            assert_eq!(task.name().parse::<Task>().unwrap(), task);
            assert!(
                task.info().classes > 1 && !task.info().splits.is_empty() && !task.info().tfds.is_empty()
            );
        }
    }

    /// "train / val / trainval / test" of the protocols, and the classes.
    #[test]
    fn sizes_add_up() {
        let trainval = [
            3060, 50_000, 3760, 2040, 3680, 73_257, 87_003, 294_912, 21_600, 25_200, 46_032, 70_000, 70_000,
            88_178, 6770, 663_552, 663_552, 36_450, 36_450,
        ];
        let sums = Task::VTAB.map(|task| task.info().sizes.map_or(0, |sizes| sizes.train + sizes.val));
        assert_eq!(sums, trainval);
        let classes = Task::VTAB.map(|task| task.info().classes);
        assert_eq!(classes, [102, 100, 47, 102, 37, 10, 397, 2, 10, 45, 5, 8, 6, 6, 4, 16, 16, 18, 9]);
    }

    #[test]
    fn what_a_mirror_or_a_crop_would_change_is_marked() {
        let without = |keeps: fn(&TaskInfo) -> bool| {
            Task::all().filter(move |task| !keeps(task.info())).map(Task::name)
        };
        let flips: Vec<_> = without(|info| info.flips).collect();
        assert_eq!(flips, ["svhn", "dsprites_location", "dsprites_orientation", "smallnorb_azimuth"]);
        let crops: Vec<_> = without(|info| info.crops).collect();
        assert_eq!(crops, ["clevr_count", "clevr_distance", "kitti_distance", "dsprites_location"]);
    }

    #[test]
    fn names_of_folders_and_typing_errors() {
        assert_eq!("clevr_dist".parse::<Task>().unwrap(), Task::ClevrDistance);
        assert_eq!("wds_vtab-pcam".parse::<Task>().unwrap(), Task::PatchCamelyon);
        let error = "dsprite_location".parse::<Task>().unwrap_err().to_string();
        assert!(error.contains("near it are dsprites_location"), "{error}");
    }
}
