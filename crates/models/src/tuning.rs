//! What fine-tuning and pre-training do to a model besides running it: layer-wise parameter groups, freezing, the mode of
//! batch normalisation, gradient checkpointing, kinds and memory formats.

use crate::{BatchNormMode, Error, Model};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};
use visrep_torch::{channels_last, contiguous, is_channels_last, prefers_channels_last};

/// How convolution weights lie in memory; activations follow them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryFormat {
    /// NCHW, PyTorch's default.
    Contiguous,
    /// NHWC (`torch.channels_last`): faster for most convolutional networks on GPUs with tensor cores and on CPUs with
    /// AVX-512 or AMX; the shapes stay the same.
    ChannelsLast,
}

impl MemoryFormat {
    /// What people call it: `contiguous` or `channels-last`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contiguous => "contiguous",
            Self::ChannelsLast => "channels-last",
        }
    }
}

/// The parameters at one depth of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerGroup {
    /// Their names, sorted.
    pub parameters: Vec<String>,
}

impl Model {
    /// The trainable parameters by depth, from the stem to the classifier: the groups of timm's layer-wise learning
    /// rate decay (`group_parameters`), where group i of n has the rate `decay^(n - 1 - i)`.
    pub fn layer_groups(&self) -> Vec<LayerGroup> {
        let mut groups: BTreeMap<(bool, [u32; 2]), Vec<String>> = BTreeMap::new();
        for (name, tensor) in self.variables() {
            if tensor.requires_grad() {
                groups.entry(self.depth(&name)).or_default().push(name);
            }
        }
        groups.into_values().map(|parameters| LayerGroup { parameters }).collect()
    }

    /// Freezes everything up to and with the deepest parameter whose path begins with `layer` (`layer2`, `blocks.5`,
    /// `stages.0`): those parameters take no gradients any more, and batch normalisation there uses its running
    /// statistics. Returns how many tensors were frozen.
    ///
    /// # Errors
    /// When the model has no such path.
    pub fn freeze_through(&mut self, layer: &str) -> Result<usize, Error> {
        let variables = self.variables();
        let under = |name: &str| {
            name.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let Some(last) = variables.keys().filter(|name| under(name)).map(|name| self.depth(name)).max()
        else {
            let known = format!("its layers are {}", self.layer_names().join(", "));
            return Err(Error::Unknown { what: format!("layer `{layer}`"), known });
        };
        let mut frozen = 0;
        for (name, tensor) in variables {
            if tensor.requires_grad() && self.depth(&name) <= last {
                let _ = tensor.set_requires_grad(false);
                frozen += 1;
            }
        }
        self.switches()
            .set_norms(BatchNormMode::Running, |path| self.depth(&format!("{path}.weight")) <= last);
        Ok(frozen)
    }

    /// Sets which statistics batch normalisation uses, in the layers whose path `chosen` accepts; returns how many those are.
    pub fn set_batch_norm(&self, mode: BatchNormMode, chosen: impl Fn(&str) -> bool) -> usize {
        self.switches().set_norms(mode, chosen)
    }

    /// Sets the share that a batch has in the running statistics of every batch normalisation: what PyTorch calls its momentum, and 1
    /// minus what TensorFlow calls so. Returns how many layers those are. A copy of the model has its layers' own again.
    ///
    /// # Errors
    /// A share that is not above 0 and at most 1.
    pub fn set_batch_norm_momentum(&self, momentum: f64) -> Result<usize, Error> {
        if !(momentum > 0.0 && momentum <= 1.0) {
            let known = "give a number above 0 and at most 1".into();
            return Err(Error::Unknown {
                what: format!("batch normalisation of momentum {momentum}"),
                known,
            });
        }
        Ok(self.switches().set_norm_momentum(momentum))
    }

    /// Turns gradient checkpointing on or off: in training, blocks keep only their inputs and compute the rest again in the
    /// backward pass, which saves most of the memory for about a third more time.
    pub fn set_gradient_checkpointing(&self, on: bool) {
        self.switches().set_checkpointing(on);
    }

    /// Converts every parameter and buffer to `kind` (f32, bf16, f16, f64). Inputs are converted by the network.
    ///
    /// # Errors
    /// A kind that is not floating-point.
    pub fn set_kind(&mut self, kind: Kind) -> Result<(), Error> {
        if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            let known = "give f32, bf16, f16 or f64".into();
            return Err(Error::Unknown { what: format!("way to hold parameters as {kind:?}"), known });
        }
        self.replace_data(|tensor| Ok(tensor.f_to_kind(kind)?))
    }

    /// Lays the convolution weights out as `format` says. Inputs need not be converted.
    ///
    /// # Errors
    /// When LibTorch has no memory for the copies.
    pub fn set_memory_format(&mut self, format: MemoryFormat) -> Result<(), Error> {
        self.replace_data(|tensor| {
            Ok(match (tensor.dim(), format) {
                (4, MemoryFormat::ChannelsLast) => channels_last(tensor)?,
                (4, MemoryFormat::Contiguous) => contiguous(tensor)?,
                _ => tensor.shallow_clone(),
            })
        })
    }

    /// How the convolution weights lie in memory; [`MemoryFormat::Contiguous`] for a network that has none.
    pub fn memory_format(&self) -> MemoryFormat {
        // What can be told either way says nothing.
        let last = |tensor: &Tensor| is_channels_last(tensor).unwrap_or(false) && !tensor.is_contiguous();
        if self.variables().values().any(last) {
            MemoryFormat::ChannelsLast
        } else {
            MemoryFormat::Contiguous
        }
    }

    /// The format in which the network is the faster, as far as can be said without measuring: see [`prefers_channels_last`].
    pub fn suggested_memory_format(&self) -> MemoryFormat {
        if prefers_channels_last(self.variables().values()) {
            MemoryFormat::ChannelsLast
        } else {
            MemoryFormat::Contiguous
        }
    }

    /// Replaces the values of every variable of the model, and gradients with them.
    pub(crate) fn replace_data(&self, new: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<(), Error> {
        self.variables().into_values().try_for_each(|tensor| replace_data(tensor, &new))
    }

    /// Where a parameter stands in depth; what lies behind the last block comes last.
    fn depth(&self, name: &str) -> (bool, [u32; 2]) {
        match self.backbone().layer_key(name) {
            Some(key) => (false, key),
            None => (true, [0, 0]),
        }
    }

    /// The first parts of the parameters' paths, in network order.
    fn layer_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.variables().into_keys().map(|name| (self.depth(&name), name)).collect();
        names.sort();
        let mut layers: Vec<String> = Vec::new();
        for (_, name) in names {
            let layer = name.split('.').next().unwrap_or_default().to_owned();
            if !layers.contains(&layer) {
                layers.push(layer);
            }
        }
        layers
    }
}

/// Replaces the values of one variable. A gradient that it has is changed alike: those to come are added to it.
pub(crate) fn replace_data(
    mut tensor: Tensor,
    new: impl Fn(&Tensor) -> Result<Tensor, Error>,
) -> Result<(), Error> {
    let _no_grad = tch::no_grad_guard();
    let mut gradient = tensor.f_grad()?;
    let values = new(&tensor)?;
    if gradient.defined() {
        let values = new(&gradient)?;
        gradient.f_set_data(&values)?;
    }
    Ok(tensor.f_set_data(&values)?)
}
