//! Inception modules: branches side by side, joined along the channels.

use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, BatchNormConfig, Block, ConvConfig, ConvNormAct, Padding};
use tch::{TchError, Tensor};

/// A convolution of a branch: its name, its output channels, its kernel's rows and columns, its stride. Padded to keep the size at
/// stride 1, and not at all at stride 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step(pub(super) &'static str, pub(super) i64, pub(super) (i64, i64), pub(super) i64);

impl Step {
    /// A square kernel at stride 1.
    pub(super) const fn square(name: &'static str, output: i64, kernel: i64) -> Self {
        Self(name, output, (kernel, kernel), 1)
    }
}

/// A 3×3 pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// The mean at stride 1. `zeros`: what lies beyond the edge counts as zeros, as PyTorch has it by default; TensorFlow leaves it out.
    Mean { zeros: bool },
    /// The maximum at stride 1.
    Max,
    /// The maximum at stride 2, not padded.
    Halve,
}

impl Pool {
    fn forward(self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Mean { zeros } => x.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, zeros, None::<i64>),
            Self::Max => x.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false),
            Self::Halve => x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false),
        }
    }
}

/// One way through a module.
#[derive(Clone, Debug)]
pub(super) struct BranchPlan {
    /// Comes first.
    pub(super) pool: Option<Pool>,
    pub(super) steps: Vec<Step>,
    /// Convolutions of the last step's output, side by side.
    pub(super) fork: Vec<Step>,
}

impl BranchPlan {
    pub(super) fn of<const N: usize>(steps: [Step; N]) -> Self {
        Self { pool: None, steps: steps.into(), fork: Vec::new() }
    }

    pub(super) fn pooled(pool: Pool, steps: &[Step]) -> Self {
        Self { pool: Some(pool), steps: steps.into(), fork: Vec::new() }
    }

    pub(super) fn fork(self, fork: [Step; 2]) -> Self {
        Self { fork: fork.into(), ..self }
    }
}

/// A convolution with batch normalisation (eps 1e-3) and a ReLU, at `<builder>.conv` and `<builder>.bn`; normal initial values.
pub(super) fn conv(builder: &Builder<'_>, config: ConvConfig, std: f64) -> Result<ConvNormAct, TchError> {
    let norm = BatchNormConfig { eps: 1e-3, ..Default::default() };
    ConvNormAct::new(builder, ("conv", "bn"), config.init(Init::Normal(std)), norm, Activation::Relu)
}

/// An inception module.
#[derive(Clone)]
pub(super) struct Mixed {
    branches: Vec<Branch>,
}

#[derive(Clone)]
struct Branch {
    pool: Option<Pool>,
    steps: Vec<ConvNormAct>,
    fork: Vec<ConvNormAct>,
}

impl Mixed {
    /// The module at `builder` and its output channels.
    pub(super) fn new(
        builder: &Builder<'_>,
        input: i64,
        plans: &[BranchPlan],
        std: f64,
    ) -> Result<(Self, i64), TchError> {
        let mut branches = Vec::with_capacity(plans.len());
        let mut output = 0;
        let make = |channels, Step(name, output, kernel, stride): Step| {
            let padding = if stride == 1 { Padding::Same } else { Padding::Fixed(0, 0) };
            let config = ConvConfig { kernel, ..ConvConfig::new(channels, output, 1) };
            conv(&(builder / name), config.stride(stride).padding(padding), std)
        };
        for plan in plans {
            let mut channels = input;
            let mut steps = Vec::with_capacity(plan.steps.len());
            for step in &plan.steps {
                steps.push(make(channels, *step)?);
                channels = step.1;
            }
            let fork = plan.fork.iter().map(|step| make(channels, *step)).collect::<Result<Vec<_>, _>>()?;
            output += match plan.fork.is_empty() {
                true => channels,
                false => plan.fork.iter().map(|step| step.1).sum(),
            };
            branches.push(Branch { pool: plan.pool, steps, fork });
        }
        Ok((Self { branches }, output))
    }
}

impl Block for Mixed {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut outputs = Vec::with_capacity(self.branches.len() + 2);
        for branch in &self.branches {
            let mut y = match branch.pool {
                Some(pool) => pool.forward(x)?,
                None => x.shallow_clone(),
            };
            for step in &branch.steps {
                y = step.forward(&y, train)?;
            }
            match branch.fork.is_empty() {
                true => outputs.push(y),
                false => {
                    for step in &branch.fork {
                        outputs.push(step.forward(&y, train)?);
                    }
                }
            }
        }
        Ok(Tensor::f_cat(&outputs, 1)?)
    }
}
