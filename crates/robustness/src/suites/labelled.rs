//! Sets of which each image has one label: ImageNet's validation images, V2, A, R, Sketch, Stylized, and CIFAR-10.1.

use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, coverage, find, missing, with_labels};
use super::head::{Classes, Pass, View};
use super::published::{Measure, Published};
use super::shared::VAL_IMAGES;
use super::{cifar, figures};
use crate::Error;
use crate::classes::ClassSubset;
use std::path::Path;
use std::sync::Arc;
use visrep_data::Dataset;
use visrep_models::Model;
use visrep_probe::{Findings, SuiteContext, SuiteInfo};

/// A suite of one or several labelled sets.
pub(super) struct Labelled {
    info: SuiteInfo,
    classes: Classes,
    /// The 200 classes to which logits are cut before the arg max, where the set has no others.
    subset: Option<ClassSubset>,
    sets: &'static [Set],
}

/// One set.
struct Set {
    task: &'static str,
    /// Where it may lie; the first is what its archive unpacks to.
    places: &'static [&'static str],
    form: Form,
    /// How many images were published.
    images: usize,
}

enum Form {
    Folders(ClassFolders),
    /// Pixels and labels as NumPy arrays.
    Arrays,
}

const ANY_SYNSET: Form = Form::Folders(ClassFolders::Synsets(None));

const fn of_subset(subset: ClassSubset) -> Form {
    Form::Folders(ClassFolders::Synsets(Some(subset)))
}

pub(super) const IMAGENET_VAL: Labelled = Labelled {
    info: SuiteInfo {
        name: "imagenet-val",
        about: "ImageNet-1k's validation images",
        expects: &["imagenet/val/SYNSET/"],
        published: VAL_PUBLISHED,
    },
    classes: Classes::ImageNet1k,
    subset: None,
    sets: &[Set { task: "imagenet-val", places: VAL, form: ANY_SYNSET, images: 50_000 }],
};

pub(super) const IMAGENET_V2: Labelled = Labelled {
    info: SuiteInfo {
        name: "imagenet-v2",
        about: "three new test sets of ImageNet's classes (Recht et al. 2019)",
        expects: &[
            "imagenetv2-matched-frequency-format-val/0..999/",
            "imagenetv2-threshold0.7-format-val/0..999/",
            "imagenetv2-top-images-format-val/0..999/",
        ],
        published: "github.com/modestyachts/ImageNetV2, imagenetv2-*.tar.gz",
    },
    classes: Classes::ImageNet1k,
    subset: None,
    sets: &[
        Set {
            task: "matched-frequency",
            places: &["imagenetv2-matched-frequency-format-val"],
            form: Form::Folders(ClassFolders::Numbers),
            images: 10_000,
        },
        Set {
            task: "threshold-0.7",
            places: &["imagenetv2-threshold0.7-format-val"],
            form: Form::Folders(ClassFolders::Numbers),
            images: 10_000,
        },
        Set {
            task: "top-images",
            places: &["imagenetv2-top-images-format-val"],
            form: Form::Folders(ClassFolders::Numbers),
            images: 10_000,
        },
    ],
};

pub(super) const IMAGENET_A: Labelled = Labelled {
    info: SuiteInfo {
        name: "imagenet-a",
        about: "natural adversarial examples of 200 classes (Hendrycks et al. 2021)",
        expects: &["imagenet-a/SYNSET/"],
        published: "github.com/hendrycks/natural-adv-examples, imagenet-a.tar",
    },
    classes: Classes::ImageNet1k,
    subset: Some(ClassSubset::A),
    sets: &[Set {
        task: "imagenet-a",
        places: &["imagenet-a"],
        form: of_subset(ClassSubset::A),
        images: 7500,
    }],
};

pub(super) const IMAGENET_R: Labelled = Labelled {
    info: SuiteInfo {
        name: "imagenet-r",
        about: "renditions of 200 classes: art, cartoons, toys (Hendrycks et al. 2021)",
        expects: &["imagenet-r/SYNSET/"],
        published: "github.com/hendrycks/imagenet-r, imagenet-r.tar",
    },
    classes: Classes::ImageNet1k,
    subset: Some(ClassSubset::R),
    sets: &[Set {
        task: "imagenet-r",
        places: &["imagenet-r"],
        form: of_subset(ClassSubset::R),
        images: 30_000,
    }],
};

pub(super) const IMAGENET_SKETCH: Labelled = Labelled {
    info: SuiteInfo {
        name: "imagenet-sketch",
        about: "sketches of the 1000 classes (Wang et al. 2019)",
        expects: &["sketch/SYNSET/"],
        published: "github.com/HaohanWang/ImageNet-Sketch, ImageNet-Sketch.zip",
    },
    classes: Classes::ImageNet1k,
    subset: None,
    sets: &[Set {
        task: "imagenet-sketch",
        places: &["sketch", "imagenet-sketch"],
        form: ANY_SYNSET,
        images: 50_889,
    }],
};

pub(super) const STYLIZED_IMAGENET: Labelled = Labelled {
    info: SuiteInfo {
        name: "stylized-imagenet",
        about: "validation images in the style of paintings (Geirhos et al. 2019)",
        expects: &["stylized-imagenet/val/SYNSET/"],
        published: "made with github.com/rgeirhos/Stylized-ImageNet from one's own ImageNet",
    },
    classes: Classes::ImageNet1k,
    subset: None,
    sets: &[Set {
        task: "stylized-imagenet",
        places: &["stylized-imagenet/val", "stylized/val"],
        form: ANY_SYNSET,
        images: 50_000,
    }],
};

pub(super) const CIFAR_10_1: Labelled = Labelled {
    info: SuiteInfo {
        name: "cifar-10.1",
        about: "a new test set of CIFAR-10's classes (Recht et al. 2018)",
        expects: &[
            "cifar-10.1/cifar10.1_v6_data.npy",
            "cifar-10.1/cifar10.1_v4_data.npy",
            "cifar-10.1/cifar10.1_{v6,v4}_labels.npy",
        ],
        published: "github.com/modestyachts/CIFAR-10.1, datasets/",
    },
    classes: Classes::Cifar10,
    subset: None,
    sets: &[
        Set {
            task: "v6",
            places: &["cifar-10.1/cifar10.1_v6_data.npy", "cifar10.1_v6_data.npy"],
            form: Form::Arrays,
            images: 2000,
        },
        Set {
            task: "v4",
            places: &["cifar-10.1/cifar10.1_v4_data.npy", "cifar10.1_v4_data.npy"],
            form: Form::Arrays,
            images: 2021,
        },
    ],
};

/// The task of ImageNet's validation images of the same classes.
pub(super) const CLEAN: &str = "imagenet-val-same-classes";

impl Published for Labelled {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        if self.sets.len() < 2 { Vec::new() } else { self.sets.iter().map(|set| set.task.into()).collect() }
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let asked = || self.sets.iter().filter(|set| task.is_none_or(|task| task == set.task));
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        for set in asked() {
            match find(root, set.places) {
                None => {
                    notes.push(format!("{}: there is no {}", set.task, root.join(set.places[0]).display()))
                }
                Some(path) => {
                    let data = match set.form {
                        Form::Folders(folders) => class_folders(&path, folders)?,
                        Form::Arrays => cifar::labelled_array(&path)?,
                    };
                    parts.push(Part {
                        task: set.task,
                        coverage: coverage(data.len(), set.images),
                        data: context.limited(data),
                    });
                }
            }
        }
        if parts.is_empty() {
            let places: Vec<_> = asked().map(|set| set.places[0]).collect();
            return Err(missing(&self.info, root, &places));
        }
        // The same classes of the usual images, beside which a shifted set's figure means something.
        if let (Some(subset), Some(path)) = (self.subset, find(root, VAL)) {
            let all = class_folders(&path, ClassFolders::Synsets(None))?;
            let data = with_labels(all, |label| subset.label_of(label).is_some())?;
            parts.push(Part {
                task: CLEAN,
                coverage: coverage(data.len(), 10_000),
                data: context.limited(data),
            });
        }
        Ok(Opened { info: self.info, classes: self.classes, subset: self.subset, parts, notes })
    }
}

pub(super) struct Opened {
    info: SuiteInfo,
    classes: Classes,
    subset: Option<ClassSubset>,
    parts: Vec<Part>,
    notes: Vec<String>,
}

struct Part {
    task: &'static str,
    coverage: String,
    data: Arc<dyn Dataset>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.parts.iter().map(|part| &part.data).collect()
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = self.classes.begin(self.info.name, model, context, &self.notes)?;
        if let Some(subset) = self.subset {
            let rule = format!("the 200 of ImageNet-{subset:?}, cut from the 1000 before the arg max");
            record.entry("classes", rule);
        }
        for part in &self.parts {
            record.entry("images", part.coverage.clone());
            let pass = Pass { model, context };
            let shelf = if part.task == CLEAN { VAL_IMAGES } else { part.task };
            let mut logits = pass.logits(Arc::clone(&part.data), View::Shared(shelf), part.task)?;
            if let Some(subset) = self.subset {
                logits = logits.select(subset.indices())?;
            }
            figures::record(&mut record, part.task, &logits, context.seed)?;
        }
        Ok(record.findings)
    }
}
