//! What a network is built with: a path of names under which parameters are made, the caller's options, and the
//! switches that all layers of one network share and that may be turned later.

use crate::init::Init;
use crate::layers::Param;
use crate::{Error, ModelOptions};
use std::cell::RefCell;
use std::ops::Div;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tch::{Device, Kind, TchError, Tensor, nn};
use visrep_torch::Generator;

/// Where the values of new parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// From their [`Init`].
    Initial,
    /// From nowhere: the shapes alone, without memory, for weights that will be loaded and for looking at shapes.
    Blank,
}

/// Which statistics batch normalisation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BatchNormMode {
    /// The batch's in training, the running ones otherwise.
    #[default]
    Auto,
    /// Always the running ones, which then stay as they are: what fine-tuning of frozen stages wants.
    Running,
    /// Always the batch's, without changing the running ones: adaptation to shifted test data.
    Batch,
}

/// The switches of one batch normalisation.
#[derive(Clone, Debug, Default)]
pub(crate) struct NormSwitch(Arc<NormState>);

#[derive(Debug, Default)]
struct NormState {
    mode: AtomicU8,
    /// The bits of the batch's share in the running statistics, which is above 0; 0: the layer's own.
    momentum: AtomicU64,
}

impl NormSwitch {
    pub(crate) fn get(&self) -> BatchNormMode {
        match self.0.mode.load(Ordering::Relaxed) {
            1 => BatchNormMode::Running,
            2 => BatchNormMode::Batch,
            _ => BatchNormMode::Auto,
        }
    }

    pub(crate) fn set(&self, mode: BatchNormMode) {
        self.0.mode.store(mode as u8, Ordering::Relaxed);
    }

    /// The batch's share in the running statistics, where it is not the layer's own.
    pub(crate) fn momentum(&self) -> Option<f64> {
        match self.0.momentum.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(f64::from_bits(bits)),
        }
    }

    fn set_momentum(&self, momentum: f64) {
        self.0.momentum.store(momentum.to_bits(), Ordering::Relaxed);
    }
}

/// The switches of a network, shared by its layers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches {
    checkpointing: Arc<AtomicBool>,
    norms: Arc<Mutex<Vec<(String, NormSwitch)>>>,
}

impl Switches {
    /// Whether blocks drop their activations and compute them again in the backward pass.
    pub(crate) fn checkpointing(&self) -> bool {
        self.checkpointing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_checkpointing(&self, on: bool) {
        self.checkpointing.store(on, Ordering::Relaxed);
    }

    /// Sets every batch normalisation whose path `chosen` accepts; returns how many.
    pub(crate) fn set_norms(&self, mode: BatchNormMode, chosen: impl Fn(&str) -> bool) -> usize {
        let norms = self.norms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for (_, switch) in norms.iter().filter(|(path, _)| chosen(path)) {
            switch.set(mode);
            count += 1;
        }
        count
    }

    /// Sets the batch's share, which is above 0, in the running statistics of every batch normalisation; returns how many.
    pub(crate) fn set_norm_momentum(&self, momentum: f64) -> usize {
        let norms = self.norms.lock().unwrap_or_else(PoisonError::into_inner);
        norms.iter().for_each(|(_, switch)| switch.set_momentum(momentum));
        norms.len()
    }

    fn add_norm(&self, path: String) -> NormSwitch {
        let switch = NormSwitch::default();
        self.norms.lock().unwrap_or_else(PoisonError::into_inner).push((path, switch.clone()));
        switch
    }
}

/// A place in a network under construction: `builder / "layer1" / 0` is the path `layer1.0`.
#[derive(Clone)]
pub(crate) struct Builder<'a> {
    path: nn::Path<'a>,
    /// What initial values are drawn from; none for a blank network.
    random: Option<Rc<RefCell<Generator>>>,
    options: &'a ModelOptions,
    switches: Switches,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(path: nn::Path<'a>, start: Start, options: &'a ModelOptions) -> Self {
        let random = match start {
            // Its own, so that a seed means the same whatever other threads draw meanwhile.
            Start::Initial => options.seed.map_or_else(Generator::from_global, Generator::new),
            Start::Blank => return Self { path, random: None, options, switches: Switches::default() },
        };
        let random = Some(Rc::new(RefCell::new(random)));
        Self { path, random, options, switches: Switches::default() }
    }

    /// The caller's options.
    pub(crate) fn options(&self) -> &ModelOptions {
        self.options
    }

    /// The network's switches.
    pub(crate) fn switches(&self) -> &Switches {
        &self.switches
    }

    /// A trainable parameter called `name` here.
    pub(crate) fn parameter(&self, name: &str, shape: &[i64], init: Init) -> Result<Param, TchError> {
        Ok(Param(self.path.add(name, self.tensor(shape, init)?, true)))
    }

    /// A value that is saved with the parameters and not trained.
    pub(crate) fn buffer(&self, name: &str, shape: &[i64], init: Init) -> Result<Param, TchError> {
        Ok(Param(self.path.add(name, self.tensor(shape, init)?, false)))
    }

    /// As [`Self::parameter`], of parts stacked along the first dimension, each of `shape` and with its own start.
    pub(crate) fn stacked(&self, name: &str, shape: &[i64], parts: &[Init]) -> Result<Param, TchError> {
        let parts: Vec<_> = parts.iter().map(|init| self.tensor(shape, *init)).collect::<Result<_, _>>()?;
        Ok(Param(self.path.add(name, Tensor::f_cat(&parts, 0)?, true)))
    }

    /// A parameter whose initial value is computed, by a function that a blank network does not call.
    pub(crate) fn computed(
        &self,
        name: &str,
        shape: &[i64],
        trainable: bool,
        value: impl FnOnce() -> Result<Tensor, TchError>,
    ) -> Result<Param, TchError> {
        let tensor = match self.random {
            Some(_) => value()?,
            None => blank(shape)?,
        };
        Ok(Param(self.path.add(name, tensor, trainable)))
    }

    /// The switch of the batch normalisation at this path.
    pub(crate) fn norm_switch(&self) -> NormSwitch {
        self.switches.add_norm(self.path.components().collect::<Vec<_>>().join("."))
    }

    /// How likely each of `depth` residual blocks is to be skipped in training: from 0 at the first linearly up to
    /// `drop_path_rate` at the last, as in timm ("Deep networks with stochastic depth", Huang et al., 2016).
    pub(crate) fn drop_path_rates(&self, depth: usize) -> Vec<f64> {
        let last = depth.saturating_sub(1).max(1) as f64;
        (0..depth).map(|i| self.options.drop_path_rate * i as f64 / last).collect()
    }

    fn tensor(&self, shape: &[i64], init: Init) -> Result<Tensor, TchError> {
        match &self.random {
            Some(random) => init.make(shape, &mut random.borrow_mut()),
            None => blank(shape),
        }
    }
}

/// One zero that looks like a tensor of `shape`.
fn blank(shape: &[i64]) -> Result<Tensor, TchError> {
    Tensor::f_zeros([0_i64; 0], (Kind::Float, Device::Cpu))?.f_expand(shape, false)
}

impl<'a, T: ToString> Div<T> for &Builder<'a> {
    type Output = Builder<'a>;

    /// `part` may be several parts joined by dots.
    fn div(self, part: T) -> Builder<'a> {
        let mut path = self.path.clone();
        for part in part.to_string().split('.') {
            path = path.sub(part);
        }
        Builder { path, random: self.random.clone(), options: self.options, switches: self.switches.clone() }
    }
}

impl<'a, T: ToString> Div<T> for Builder<'a> {
    type Output = Builder<'a>;

    fn div(self, part: T) -> Builder<'a> {
        &self / part
    }
}

/// Checks that `x` is a batch of images (N, `channels`, H, W) with sides of at least `smallest` pixels, and brings it to the
/// kind of the network's parameters. `network` begins the message: "a ResNet".
pub(crate) fn images(
    x: &Tensor,
    network: &str,
    channels: i64,
    smallest: i64,
    kind: Kind,
) -> Result<Tensor, Error> {
    let size = x.size();
    if size.len() != 4 || size[1] != channels || size[2] < smallest || size[3] < smallest || size[0] < 1 {
        let expected = format!("{network} takes (N, {channels}, H, W) with H and W of at least {smallest}");
        return Err(Error::Input { got: size, expected });
    }
    if !x.is_floating_point() {
        let expected =
            format!("it holds {:?}, and {network} takes normalised floating-point values", x.kind());
        return Err(Error::Input { got: size, expected });
    }
    Ok(match x.kind() == kind {
        true => x.shallow_clone(),
        false => x.f_to_kind(kind)?,
    })
}
