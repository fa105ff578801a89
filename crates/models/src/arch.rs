//! The architectures: one table per family, and how a user's `name` or `name.tag` finds its row.

use crate::builder::{Builder, Start};
use crate::head::{Head, HeadSpec};
use crate::pretrained::{self, Pretrained};
use crate::{Backbone, Error, ModelOptions, Preprocessing, families};
use std::collections::BTreeMap;
use tch::{Device, Tensor, nn};

/// One row: a network that can be built.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// timm's name.
    pub(crate) name: &'static str,
    pub(crate) config: &'static dyn Config,
}

/// What distinguishes one network of a family from another.
pub(crate) trait Config: std::fmt::Debug + Sync {
    /// Makes the network with its parameters at `builder`.
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error>;

    /// Where the classifier is, and how it starts.
    fn head(&self) -> HeadSpec;

    /// What an architecture without timm weights expects, and its classes.
    fn untagged(&self) -> (Preprocessing, i64) {
        (Preprocessing::default(), 1000)
    }

    /// Turns a weight file's `tensors` into those of this network where publishers differ: other names for the same
    /// parameters, position embeddings of another size, convolution kernels with the axes of another framework. `target` are
    /// the network's parameters and buffers (perhaps without values), `options` those it was made with: what depends on the
    /// image's size can differ where shapes agree (224×256 and 256×224). Returns a note for each thing done, for the load
    /// report. What does not fit afterwards is reported as a mismatch.
    fn adapt(
        &self,
        _options: &ModelOptions,
        _tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// The same network with two blocks, for checks of those too large to run whole.
    #[cfg(test)]
    fn at_depth_2(&self) -> Option<Box<dyn Config>> {
        None
    }

    /// The options of [`ModelOptions`] that depend on the family: which of them this network has a use for.
    fn sizes(&self) -> Sizes {
        Sizes::Free
    }
}

/// What a network can be told about the size of its input when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// Nothing: it takes images of any size.
    Free,
    /// `image_size`.
    Image,
    /// `image_size` and `patch_size`.
    ImageAndPatch,
}

/// Every architecture, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Architecture> {
    families::TABLES.iter().copied().flatten()
}

impl Architecture {
    pub(crate) const fn new(name: &'static str, config: &'static dyn Config) -> Self {
        Self { name, config }
    }

    /// Makes backbone and classifier under `path`. `None` classes leave the classifier out.
    pub(crate) fn build(
        &self,
        builder: &Builder<'_>,
        num_classes: i64,
    ) -> Result<(Box<dyn Backbone>, Option<Head>), Error> {
        let backbone = self.config.build(builder)?;
        let head = match num_classes {
            0 => None,
            classes => Some(Head::new(builder, &self.config.head(), backbone.embed_dim(), classes)?),
        };
        Ok((backbone, head))
    }

    /// The network's parameters and buffers without their values, which takes milliseconds and no memory.
    pub(crate) fn blank(&self, options: &ModelOptions, num_classes: i64) -> Result<Blank, Error> {
        let store = nn::VarStore::new(Device::Cpu);
        let builder = Builder::new(store.root(), Start::Blank, options);
        let (backbone, _) = self.build(&builder, num_classes)?;
        let tensors = store.variables().into_iter().collect();
        Ok(Blank { embed_dim: backbone.embed_dim(), tensors })
    }

    /// timm's weights for this architecture, the default first; none for those that timm does not have.
    pub(crate) fn pretrained(&self) -> impl Iterator<Item = &'static Pretrained> {
        let name = self.name;
        pretrained::TABLE.iter().filter(move |row| row.architecture == name)
    }
}

/// The shapes of a network.
pub(crate) struct Blank {
    pub(crate) embed_dim: i64,
    /// By timm's names; without values.
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Blank {
    /// The number of trainable values.
    pub(crate) fn parameters(&self) -> i64 {
        self.tensors
            .values()
            .filter(|tensor| tensor.requires_grad())
            .map(|tensor| tensor.numel() as i64)
            .sum()
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
        let hint = did_you_mean(base, all().map(|row| row.name), "models");
        return Err(Error::UnknownModel { name: name.into(), hint });
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
        None => architecture.config.untagged(),
    };
    Ok(Resolved { architecture, pretrained, preprocessing, num_classes })
}

/// A clause with those candidates that `name` may be meant for, or the command of `visrep` that lists them all.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    command: &str,
) -> String {
    let lower = name.to_lowercase();
    let like = |candidate: &&str| strsim::normalized_damerau_levenshtein(&lower, candidate) > 0.5;
    let near: Vec<_> = nearest(name, candidates, 3).into_iter().filter(like).collect();
    match near.is_empty() {
        true => format!("nothing is called like it; `visrep {command}` lists all there are"),
        false => format!("did you mean {}?", near.join(", ")),
    }
}

/// The `count` candidates that look most like `name`, nearest first.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut ranked: Vec<_> =
        candidates.map(|c| (strsim::normalized_damerau_levenshtein(&name, c), c)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(count).map(|(_, candidate)| candidate).collect()
}
