//! Classifiers: where each family keeps its own, and how that reads the features.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Conv2d, ConvConfig, Linear, LinearConfig, dropout};
use crate::{Error, Features};
use tch::Tensor;

/// Where a family keeps its classifier, and how that starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadSpec {
    /// The path of its parameters: `fc`, `head`, `head.fc` ...
    pub(crate) name: &'static str,
    pub(crate) kind: HeadKind,
    /// How the weight starts.
    pub(crate) init: Init,
    /// How the bias starts; `None`: by PyTorch's default.
    pub(crate) bias_init: Option<Init>,
}

/// What a classifier is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// A linear layer on the pooled features.
    Linear,
    /// The same without dropout: AlexNet drops before its two hidden layers instead.
    LinearUndropped,
    /// A linear layer, stored as a 1×1 convolution: weight (C, D, 1, 1).
    Conv1x1,
    /// DeiT's two linear layers, the second called `<name>_dist` on the distillation token (the second one); evaluation
    /// averages them.
    Distilled,
    /// A 1×1 convolution of the last map, a ReLU, and the mean over the positions (SqueezeNet).
    ConvMap,
}

impl HeadSpec {
    /// A linear layer called `name` that starts by PyTorch's default.
    pub(crate) const fn linear(name: &'static str) -> Self {
        Self { name, kind: HeadKind::Linear, init: Init::Default, bias_init: None }
    }

    /// Started by `init`, with a bias of 0.
    pub(crate) const fn started(self, init: Init) -> Self {
        Self { init, bias_init: Some(Init::Constant(0.0)), ..self }
    }

    pub(crate) const fn kind(self, kind: HeadKind) -> Self {
        Self { kind, ..self }
    }

    /// The paths of its layers.
    pub(crate) fn layers(&self) -> Vec<String> {
        match self.kind {
            HeadKind::Distilled => vec![self.name.into(), format!("{}_dist", self.name)],
            _ => vec![self.name.into()],
        }
    }

    /// Whether the parameter called `name` is the classifier's.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.layers().iter().any(|layer| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// A classifier.
pub(crate) enum Head {
    Linear(Linear, HeadKind),
    Conv(Conv2d, HeadKind),
    Distilled(Linear, Linear),
}

impl Head {
    /// A classifier of `classes` for features of length `width`; `builder` stands at the model's root.
    pub(crate) fn new(
        builder: &Builder<'_>,
        spec: &HeadSpec,
        width: i64,
        classes: i64,
    ) -> Result<Self, Error> {
        let HeadSpec { kind, init, bias_init, .. } = *spec;
        let linear = |name: &str| {
            let config = LinearConfig { init, bias_init, ..LinearConfig::new(width, classes) };
            Linear::new(&(builder / name), config)
        };
        Ok(match kind {
            HeadKind::Linear | HeadKind::LinearUndropped => Self::Linear(linear(spec.name)?, kind),
            HeadKind::Conv1x1 | HeadKind::ConvMap => {
                let config = ConvConfig { init, bias: true, bias_init, ..ConvConfig::new(width, classes, 1) };
                Self::Conv(Conv2d::new(&(builder / spec.name), config)?, kind)
            }
            HeadKind::Distilled => {
                let layers = spec.layers();
                Self::Distilled(linear(&layers[0])?, linear(&layers[1])?)
            }
        })
    }

    /// Logits (N, classes); `drop_rate` of the values it reads are dropped in training.
    pub(crate) fn forward(&self, features: &Features, drop_rate: f64, train: bool) -> Result<Tensor, Error> {
        let dropped = |x: &Tensor| dropout(x.shallow_clone(), drop_rate, train);
        match self {
            Self::Linear(linear, HeadKind::LinearUndropped) => Ok(linear.forward(&features.pooled)?),
            Self::Linear(linear, _) => Ok(linear.forward(&dropped(&features.pooled)?)?),
            Self::Conv(conv, HeadKind::ConvMap) => {
                let map = features.map.as_ref().ok_or_else(|| missing("a feature map"))?;
                let scores = conv.forward(&dropped(map)?)?.f_relu_()?;
                Ok(scores.f_mean_dim(&[2_i64, 3][..], false, None)?)
            }
            Self::Conv(conv, _) => {
                let x = dropped(&features.pooled)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
                Ok(conv.forward(&x)?.f_flatten(1, -1)?)
            }
            Self::Distilled(class, distilled) => {
                let tokens = features.tokens.as_ref().ok_or_else(|| missing("tokens"))?;
                let mut class = class.forward(&dropped(&tokens.f_select(1, 0)?)?)?;
                let distilled = distilled.forward(&dropped(&tokens.f_select(1, 1)?)?)?;
                Ok(class.f_add_(&distilled)?.f_div_scalar_(2.0)?)
            }
        }
    }
}

fn missing(what: &str) -> Error {
    Error::Features(format!(
        "this classifier reads {what}, and the features have none: they are another network's"
    ))
}
