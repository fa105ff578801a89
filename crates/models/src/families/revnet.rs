//! RevNet: "The reversible residual network: backpropagation without storing activations" (Gomez et al., 2017), as
//! "Revisiting self-supervised visual representation learning" (Kolesnikov et al., 2019) has it: the halves (x₁, x₂) of the
//! channels become (x₂, x₁ + F(x₂)), with F a pre-activation bottleneck of a quarter of the half's width; stages are
//! separated by means of 2×2 pixels and zero channels added on both sides; batch normalisation has TensorFlow's epsilon and
//! momentum.
//!
//! A unit's input follows from its output, (y₂ - F(y₁), y₁). Under gradient checkpointing a stage therefore keeps nothing but its
//! last output: in the backward pass each unit computes its input for the unit before.
//!
//! timm has none. The parameters are `stem.conv`, `stages.<stage>.<unit>.{norm1, conv1, norm2, conv2, norm3, conv3}`, `norm`
//! and `head.fc` (a 1×1 convolution).
//!
//! Taps: `stem.conv` and `stages.0` to `stages.3`. Images may have any size.

use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::{HeadKind, HeadSpec};
use crate::init::Init;
use crate::layers::{
    BatchNorm2d, BatchNormConfig, Conv2d, ConvConfig, Convolution, DropPath, Norm2d, PreActivation,
    add_branch, average_pool_2x2, max_pool_3x3,
};
use crate::{Backbone, Error, Features, Taps};
use std::sync::{Arc, Mutex, PoisonError};
use tch::{TchError, Tensor};

/// What distinguishes one from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Units in each stage.
    units: [usize; 4],
    /// Channels of the first stage; each later stage doubles them.
    width: i64,
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] =
    &[Architecture::new("revnet50", &Config { units: [3, 4, 6, 3], width: 256 })];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(RevNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").kind(HeadKind::Conv1x1).started(Init::XavierUniform)
    }
}

fn norm(builder: &Builder<'_>, channels: i64) -> Result<Norm2d, Error> {
    let config = BatchNormConfig { eps: 1e-3, momentum: 0.01, ..Default::default() };
    Ok(Norm2d::Batch(BatchNorm2d::new(builder, channels, config)?))
}

fn conv(builder: &Builder<'_>, config: ConvConfig) -> Result<Conv2d, TchError> {
    Conv2d::new(builder, config.init(Init::XavierUniform))
}

/// (x₁, x₂) to (x₂, x₁ + F(x₂)).
#[derive(Clone)]
struct Unit {
    branch: [PreActivation; 3],
    /// Channels of a half.
    half: i64,
    drop_path: DropPath,
}

/// The output of a unit, for as long as the backward pass needs it.
type Slot = Arc<Mutex<Option<Tensor>>>;

impl Unit {
    fn new(builder: &Builder<'_>, channels: i64, drop_path: f64) -> Result<Self, Error> {
        let half = channels / 2;
        let middle = half / 4;
        let member = |n: usize, config: ConvConfig| {
            Ok::<_, Error>(PreActivation {
                norm: norm(&(builder / format!("norm{n}")), config.input)?,
                conv: Convolution::Plain(conv(&(builder / format!("conv{n}")), config)?),
            })
        };
        let branch = [
            member(1, ConvConfig::new(half, middle, 1))?,
            member(2, ConvConfig::new(middle, middle, 3))?,
            member(3, ConvConfig::new(middle, half, 1))?,
        ];
        Ok(Self { branch, half, drop_path: DropPath(drop_path) })
    }

    /// F.
    fn branch(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut y = self.branch[0].forward(x, train)?;
        for member in &self.branch[1..] {
            y = member.forward(&y, train)?;
        }
        Ok(self.drop_path.apply(y, train)?)
    }

    fn halves(&self, x: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        Ok((x.f_narrow(1, 0, self.half)?, x.f_narrow(1, self.half, self.half)?))
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let (first, second) = self.halves(x)?;
        let sum = add_branch(&first, self.branch(&second, train)?)?;
        Ok(Tensor::f_cat(&[second, sum], 1)?)
    }

    /// [`Self::forward`] in training for the graph alone: its input `x`, whose values are lost, is restored from `output` and
    /// left in `before`. The gradients need x₂ only, which `output` holds.
    fn backward(&self, x: &Tensor, output: &Slot, before: Option<&Slot>) -> Result<Tensor, Error> {
        let held = output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(held) = held else {
            return Err(TchError::Torch("a reversible stage can be differentiated once".into()).into());
        };
        let (second, sum) = self.halves(&held)?;
        x.shallow_clone().f_set_data(&Tensor::f_cat(&[&second, &second], 1)?)?;
        let (first, second) = self.halves(x)?;
        let branch = self.branch(&second, true)?;
        if let Some(before) = before {
            let _no_grad = tch::no_grad_guard();
            let restored = Tensor::f_cat(&[sum.f_sub(&branch)?, second.f_detach()?], 1)?;
            *before.lock().unwrap_or_else(PoisonError::into_inner) = Some(restored);
        }
        Ok(Tensor::f_cat(&[second, branch.f_add(&first)?], 1)?)
    }
}

/// Runs a stage in training so that its backward pass restores every unit's input from the stage's output. The values of
/// `x` are given up.
fn reversible(units: &[Unit], mut x: Tensor) -> Result<Tensor, Error> {
    let mut before: Option<Slot> = None;
    for unit in units {
        let output = Slot::default();
        let (unit, slots) = (unit.clone(), (output.clone(), before.take()));
        let y = visrep_torch::checkpoint([&x], move |[x]| match visrep_torch::recomputing() {
            true => unit.backward(&x, &slots.0, slots.1.as_ref()),
            false => unit.forward(&x, true),
        })?;
        // The graph holds this tensor, but nobody reads its values any more.
        let nothing = Tensor::f_zeros([0_i64; 0], (x.kind(), x.device()))?.f_expand(x.size(), false)?;
        x.f_set_data(&nothing)?;
        (x, before) = (y, Some(output));
    }
    if let Some(last) = before {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(x.f_detach()?);
    }
    Ok(x)
}

struct RevNet {
    stem: Conv2d,
    stages: [Vec<Unit>; 4],
    norm: Norm2d,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

impl RevNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let stem = ConvConfig::new(in_channels, config.width, 7).stride(2);
        let stem = conv(&(builder / "stem.conv"), stem)?;
        let mut drop_path = builder.drop_path_rates(config.units.iter().sum()).into_iter();
        let mut stages: [Vec<Unit>; 4] = Default::default();
        for (i, stage) in stages.iter_mut().enumerate() {
            for unit in 0..config.units[i] {
                let drop_path = drop_path.next().unwrap_or(0.0);
                let builder = builder / format!("stages.{i}.{unit}");
                stage.push(Unit::new(&builder, config.width << i, drop_path)?);
            }
        }
        let embed_dim = config.width << 3;
        Ok(Self {
            stem,
            stages,
            norm: norm(&(builder / "norm"), embed_dim)?,
            in_channels,
            embed_dim,
            taps: ["stem.conv", "stages.0", "stages.1", "stages.2", "stages.3"].map(str::to_owned).into(),
            switches: builder.switches().clone(),
        })
    }

    fn stage(&self, stage: usize, mut x: Tensor, train: bool) -> Result<Tensor, Error> {
        if train && self.switches.checkpointing() {
            return reversible(&self.stages[stage], x);
        }
        for unit in &self.stages[stage] {
            x = unit.forward(&x, train)?;
        }
        Ok(x)
    }
}

/// The means of 2×2 pixels, with half as many channels of zeros on either side.
fn between_stages(x: &Tensor) -> Result<Tensor, TchError> {
    let half = x.size()[1] / 2;
    average_pool_2x2(x)?.f_constant_pad_nd([0, 0, 0, 0, half, half])
}

impl Backbone for RevNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "a RevNet", self.in_channels, 1, self.stem.weight().kind())?;
        let x = self.stem.forward(&x)?;
        collected.keep(&self.taps[0], &x);
        let mut x = self.stage(0, max_pool_3x3(&x, true)?, train)?;
        collected.keep(&self.taps[1], &x);
        for i in 1..self.stages.len() {
            x = self.stage(i, between_stages(&x)?, train)?;
            collected.keep(&self.taps[i + 1], &x);
        }
        let x = self.norm.forward(&x, train)?.f_relu_()?;
        Features::of_map(x, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    /// The last normalisation goes with the last unit, as in timm's ResNetV2.
    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let parts: Vec<&str> = parameter.split('.').collect();
        match parts[..] {
            ["stem", ..] => Some([0, 0]),
            ["stages", stage, unit, ..] => Some([1 + stage.parse::<u32>().ok()?, unit.parse().ok()?]),
            ["norm", ..] => Some([4, self.stages[3].len() as u32 - 1]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ARCHITECTURES, Slot, Unit};
    use crate::builder::{Builder, Start};
    use crate::{Model, ModelOptions, golden};
    use std::collections::BTreeMap;
    use tch::{Device, Kind, Tensor, nn};

    #[test]
    fn match_the_paper() {
        golden::check_family("revnet", ARCHITECTURES);
    }

    #[test]
    fn a_units_input_is_restored_from_its_output() {
        let (store, options) = (nn::VarStore::new(Device::Cpu), ModelOptions::default());
        let builder = Builder::new(store.root(), Start::Initial, &options);
        let unit = Unit::new(&builder, 32, 0.0).expect("a unit");
        let x = Tensor::randn([2, 32, 9, 7], (Kind::Float, Device::Cpu));
        let y = tch::no_grad(|| unit.forward(&x, true)).expect("an output");
        let (output, before) = (Slot::default(), Slot::default());
        *output.lock().expect("unpoisoned") = Some(y);
        let lost = Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand([2, 32, 9, 7], false);
        let again = tch::no_grad(|| unit.backward(&lost, &output, Some(&before)));
        assert_eq!(again.expect("an output again").size(), x.size());
        let restored = before.lock().expect("unpoisoned").take().expect("an input");
        assert!((restored - x).abs().max().double_value(&[]) < 1e-5);
        assert!(unit.backward(&lost, &output, None).is_err(), "its output is used up");
    }

    /// Values, gradients and running statistics do not depend on whether the stages' activations were kept: in f64, where
    /// what restoring them rounds off turns no ReLU over.
    #[test]
    fn restored_activations_give_the_gradients_of_kept_ones() {
        // Nothing is dropped at random: other tests draw from LibTorch's one generator meanwhile.
        let options = ModelOptions { num_classes: Some(3), seed: Some(2), ..ModelOptions::default() };
        let x = golden::input(&[4, 3, 64, 64]);
        let run = |checkpointing| {
            let mut model = Model::create("revnet50", &options).expect("a model");
            // Biases other than 0: the channels of zeros between stages would stand where ReLU bends.
            golden::fill(&model.variables());
            model.set_kind(Kind::Double).expect("a kind");
            model.set_gradient_checkpointing(checkpointing);
            let x = x.to_kind(Kind::Double).set_requires_grad(true);
            let loss = model.forward(&x, true).expect("logits").square().sum(Kind::Double);
            loss.backward();
            let mut values: BTreeMap<String, Tensor> = BTreeMap::new();
            for (name, variable) in model.var_store().variables() {
                let value = if variable.requires_grad() { variable.grad() } else { variable.copy() };
                assert!(value.defined(), "{name}");
                values.insert(name, value);
            }
            values.insert("input".into(), x.grad());
            values.insert("loss".into(), loss.detach());
            values
        };
        let (kept, restored) = (run(false), run(true));
        for (name, expected) in kept {
            let scale = expected.norm().double_value(&[]).max(1e-6);
            let error = (&restored[&name] - expected).norm().double_value(&[]) / scale;
            assert!(error < 1e-6, "{name}: {error}");
        }
    }
}
