//! The architectures: one table per family, and how a user's `name` or `name.tag` finds its row.

use crate::layers::LinearInit;
use crate::preprocessing::{CIFAR_MEAN, CIFAR_STD, Interpolation};
use crate::pretrained::{self, Pretrained};
use crate::{Backbone, Error, Preprocessing, resnet, vit};
use tch::nn::Path;

/// One row: a network that can be built.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// timm's name.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Trainable parameters without the classifier.
    pub(crate) backbone_parameters: i64,
}

/// The families, each a module with its own table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    ResNet(resnet::Config),
    Vit(vit::Config),
}

/// Where a family keeps its classifier, and how that starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadSpec {
    pub(crate) name: &'static str,
    pub(crate) init: LinearInit,
}

/// Every architecture, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Architecture> {
    [resnet::ARCHITECTURES, vit::ARCHITECTURES].into_iter().flatten()
}

impl Architecture {
    /// Makes the network under `path`, with its initial values.
    pub(crate) fn build(&self, path: &Path<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(match &self.family {
            Family::ResNet(config) => Box::new(resnet::ResNet::new(path, config)?),
            Family::Vit(config) => Box::new(vit::Vit::new(path, config)?),
        })
    }

    pub(crate) fn head(&self) -> HeadSpec {
        match self.family {
            Family::ResNet(_) => HeadSpec { name: "fc", init: LinearInit::Default },
            Family::Vit(_) => HeadSpec { name: "head", init: LinearInit::Normal02 },
        }
    }

    pub(crate) fn embed_dim(&self) -> i64 {
        match &self.family {
            Family::ResNet(config) => config.embed_dim(),
            Family::Vit(config) => config.embed_dim(),
        }
    }

    /// timm's weights for this architecture, the default first; none for those that timm does not have.
    pub(crate) fn pretrained(&self) -> impl Iterator<Item = &'static Pretrained> {
        let name = self.name;
        pretrained::TABLE.iter().filter(move |row| row.architecture == name)
    }

    /// What an architecture without timm weights expects.
    fn untagged(&self) -> (Preprocessing, i64) {
        match self.family {
            Family::ResNet(config) if config.is_cifar() => {
                let interpolation = Interpolation::Bicubic;
                let (mean, std) = (CIFAR_MEAN, CIFAR_STD);
                let default = Preprocessing::default();
                (Preprocessing { input_size: 32, crop_pct: 1.0, interpolation, mean, std, ..default }, 10)
            }
            Family::ResNet(_) | Family::Vit(_) => (Preprocessing::default(), 1000),
        }
    }
}

/// A name, resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) architecture: &'static Architecture,
    /// timm's row: the tag asked for, or the default tag.
    pub(crate) pretrained: Option<&'static Pretrained>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) num_classes: i64,
}

/// Finds `name` or `name.tag`; errs with the nearest names.
pub(crate) fn resolve(name: &str) -> Result<Resolved, Error> {
    let (base, tag) = match name.split_once('.') {
        Some((base, tag)) => (base, Some(tag)),
        None => (name, None),
    };
    let Some(architecture) = all().find(|row| row.name == base) else {
        let nearest = nearest(base, all().map(|row| row.name), 3).join(", ");
        return Err(Error::UnknownModel { name: name.into(), nearest });
    };
    let pretrained = match tag {
        None => architecture.pretrained().next(),
        Some(tag) => {
            let found = architecture.pretrained().find(|row| row.tag == tag);
            if found.is_none() {
                let tags = nearest(tag, architecture.pretrained().map(|row| row.tag), usize::MAX);
                let known = match tags.is_empty() {
                    true => "it has none: leave the tag out".into(),
                    false => format!("it has {}", tags.join(", ")),
                };
                return Err(Error::UnknownTag { architecture: base.into(), tag: tag.into(), known });
            }
            found
        }
    };
    let (preprocessing, num_classes) = match pretrained {
        Some(row) => (row.preprocessing.clone(), row.num_classes),
        None => architecture.untagged(),
    };
    Ok(Resolved { architecture, pretrained, preprocessing, num_classes })
}

/// The `count` candidates that look most like `name`, nearest first.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut ranked: Vec<_> =
        candidates.map(|c| (strsim::normalized_damerau_levenshtein(&name, c), c)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(count).map(|(_, candidate)| candidate).collect()
}
