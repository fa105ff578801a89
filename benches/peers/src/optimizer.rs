//! A step of AdamW over a model's parameters: the fused one, and that of `tch`'s own optimiser.
//!
//! Parameters and gradients are filled by formulas, so that the results can be compared with PyTorch's.

use anyhow::{Result, bail};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};
use visrep_torch::{AdamWState, AdamWStep, fused_adamw_};

use crate::Workload;
use crate::sink::Sink;

const STEP: AdamWStep = AdamWStep { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.05 };

/// Opens `fused` or `tch` with the parameters of `model`.
pub(crate) fn open(method: &str, model: &str) -> Result<Box<dyn Workload>> {
    let model = Model::create(model, &ModelOptions::default())?;
    let parameters = model.var_store().trainable_variables();
    for parameter in &parameters {
        let count = parameter.numel() as i64;
        let numbers = Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.01;
        let wave = |values: Tensor| values.view(parameter.size().as_slice());
        tch::no_grad(|| parameter.shallow_clone().copy_(&wave(numbers.sin())));
        (parameter * wave(numbers.cos())).sum(Kind::Float).backward();
    }
    Ok(match method {
        "fused" => {
            let gradients = parameters.iter().map(Tensor::grad).collect();
            Box::new(Fused { optimizer: AdamW::new(parameters), gradients })
        }
        "tch" => {
            let [beta1, beta2] = STEP.betas;
            let config = nn::AdamW { beta1, beta2, wd: STEP.weight_decay, eps: STEP.eps, amsgrad: false };
            let optimizer = config.build(model.var_store(), STEP.lr)?;
            Box::new(Own { optimizer, parameters })
        }
        _ => bail!("unknown method {method}: give fused or tch"),
    })
}

/// The norm of every parameter.
fn norms(parameters: &[Tensor], sink: &mut Sink) -> Result<()> {
    if matches!(sink, Sink::File(_)) {
        for parameter in parameters {
            sink.tensor(&parameter.detach().norm())?;
        }
    }
    Ok(())
}

/// Parameters with what [`fused_adamw_`] keeps of them.
pub(crate) struct AdamW {
    parameters: Vec<Tensor>,
    exp_avgs: Vec<Tensor>,
    exp_avg_sqs: Vec<Tensor>,
    steps: Vec<Tensor>,
}

impl AdamW {
    pub(crate) fn new(parameters: Vec<Tensor>) -> Self {
        let zeros = || parameters.iter().map(|tensor| tensor.detach().zeros_like()).collect();
        let zero = |tensor: &Tensor| Tensor::zeros([], (Kind::Float, tensor.device()));
        let steps = parameters.iter().map(zero).collect();
        Self { exp_avgs: zeros(), exp_avg_sqs: zeros(), steps, parameters }
    }

    pub(crate) fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    pub(crate) fn step(&mut self, gradients: &[Tensor]) -> Result<()> {
        let state = AdamWState {
            exp_avgs: &mut self.exp_avgs,
            exp_avg_sqs: &mut self.exp_avg_sqs,
            steps: &mut self.steps,
        };
        Ok(fused_adamw_(&mut self.parameters, gradients, state, &STEP)?)
    }
}

/// The fused step alone.
struct Fused {
    optimizer: AdamW,
    gradients: Vec<Tensor>,
}

impl Workload for Fused {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        self.optimizer.step(&self.gradients)?;
        norms(self.optimizer.parameters(), sink)
    }
}

/// `tch::nn::AdamW`.
struct Own {
    optimizer: nn::Optimizer,
    parameters: Vec<Tensor>,
}

impl Workload for Own {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        self.optimizer.step();
        norms(&self.parameters, sink)
    }
}
