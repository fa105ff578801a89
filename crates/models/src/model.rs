//! A model: a backbone, its classifier where it has one, their weights, and the preprocessing they expect.

use crate::arch::{self, Resolved};
use crate::layers::Linear;
use crate::weights::{self, LoadReport};
use crate::{Backbone, Error, Features, ModelInfo, Preprocessing, Taps};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, nn};

/// How to create a [`Model`].
#[derive(Clone, Copy, Debug)]
pub struct ModelOptions {
    /// Classes of the classifier. `None`: as many as timm's weights of that name have, 10 for the CIFAR variants.
    /// `Some(0)`: no classifier.
    pub num_classes: Option<i64>,
    /// Where the parameters live.
    pub device: Device,
    /// With a seed, the initial values are reproducible, the same on every device; the seed becomes that of
    /// LibTorch's global generator (`torch.manual_seed`).
    pub seed: Option<i64>,
}

impl Default for ModelOptions {
    /// The architecture's classes, on the CPU, unseeded.
    fn default() -> Self {
        Self { num_classes: None, device: Device::Cpu, seed: None }
    }
}

/// LibTorch has one generator per process: two models created at once would draw from it in turns.
static GENERATOR: Mutex<()> = Mutex::new(());

/// A network that can be run, trained, loaded and saved.
///
/// Gradients are tracked as LibTorch's global state says: wrap inference in [`tch::no_grad`].
pub struct Model {
    name: String,
    resolved: Resolved,
    num_classes: i64,
    backbone: Box<dyn Backbone>,
    head: Option<Linear>,
    var_store: nn::VarStore,
    /// The names of the model's own variables: others may put theirs into the same store.
    own: Vec<String>,
}

impl Model {
    /// Makes the model called `name` (`resnet50`) or `name.tag` (`resnet50.a1_in1k`) with random initial values, as
    /// timm's `create_model(name, pretrained=False)` does. A tag decides the classes and the preprocessing.
    ///
    /// # Errors
    /// An unknown name or tag (the nearest are listed), negative classes, a device that cannot be used.
    pub fn create(name: &str, options: &ModelOptions) -> Result<Self, Error> {
        let resolved = arch::resolve(name)?;
        let num_classes = options.num_classes.unwrap_or(resolved.num_classes);
        if num_classes < 0 {
            return Err(Error::NumClasses(num_classes));
        }
        let device = options.device;
        if let Err(error) = Tensor::f_zeros([1], (Kind::Float, device)) {
            return Err(Error::Device { device, reason: error.to_string() });
        }

        // Made on the CPU and moved, so that a seed means the same on every device.
        let mut var_store = nn::VarStore::new(Device::Cpu);
        let (backbone, head) = {
            let _generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seed) = options.seed {
                tch::manual_seed(seed);
            }
            let backbone = resolved.architecture.build(&var_store.root())?;
            let spec = resolved.architecture.head();
            let head = match num_classes {
                0 => None,
                classes => {
                    let path = var_store.root() / spec.name;
                    Some(Linear::new(&path, backbone.embed_dim(), classes, spec.init)?)
                }
            };
            (backbone, head)
        };
        if device != Device::Cpu {
            var_store.set_device(device);
        }
        let own = var_store.variables().into_keys().collect();
        Ok(Self { name: name.into(), resolved, num_classes, backbone, head, var_store, own })
    }

    /// Makes the model called `name` and loads a weight file into it, as [`Self::load_weights`] does. The classifier has
    /// as many classes as the file's; a file without one gives a model without one.
    ///
    /// # Errors
    /// Those of [`Self::create`] and [`Self::load_weights`].
    pub fn from_weights(
        name: &str,
        path: impl AsRef<Path>,
        device: Device,
    ) -> Result<(Self, LoadReport), Error> {
        let architecture = arch::resolve(name)?.architecture;
        let file = weights::StateDict::read(path.as_ref())?;
        // With a classifier that cannot be the architecture's, loading lists it among all that does not fit.
        let num_classes = file.classes(architecture.head().name, architecture.embed_dim());
        let mut model = Self::create(name, &ModelOptions { num_classes, device, seed: None })?;
        let report = model.load(file)?;
        Ok((model, report))
    }

    /// The name it was created by, with its tag if that was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The evaluation transform that goes with the name.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.resolved.preprocessing
    }

    /// What the table knows about the name; the parameters are those of this model, with its own classifier.
    pub fn info(&self) -> ModelInfo {
        ModelInfo::new(&self.name, &self.resolved, self.num_classes)
    }

    /// The network without its classifier.
    pub fn backbone(&self) -> &dyn Backbone {
        self.backbone.as_ref()
    }

    /// The length of the pooled features.
    pub fn embed_dim(&self) -> i64 {
        self.backbone.embed_dim()
    }

    /// The classes of the classifier; 0 without one.
    pub fn num_classes(&self) -> i64 {
        self.num_classes
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.var_store.device()
    }

    /// The number of trainable values, classifier included.
    pub fn parameter_count(&self) -> i64 {
        self.variables().values().filter(|v| v.requires_grad()).map(|v| v.numel() as i64).sum()
    }

    /// Logits (N, classes) of normalised images `x` (N, 3, H, W); without a classifier the pooled features, as
    /// timm's `num_classes=0`. `train` selects batch statistics and stochastic layers.
    ///
    /// # Errors
    /// When the size of `x` does not fit the network.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.logits(&self.backbone.forward_with_taps(x, train, Taps::None)?)
    }

    /// Logits (N, classes) from features; without a classifier the pooled features.
    ///
    /// # Errors
    /// When the features are another network's.
    pub fn logits(&self, features: &Features) -> Result<Tensor, Error> {
        match &self.head {
            Some(head) => Ok(head.forward(&features.pooled)?),
            None => Ok(features.pooled.shallow_clone()),
        }
    }

    /// The parameters and buffers, under timm's names.
    pub fn var_store(&self) -> &nn::VarStore {
        &self.var_store
    }

    /// The parameters and buffers, to freeze, move or convert them.
    pub fn var_store_mut(&mut self) -> &mut nn::VarStore {
        &mut self.var_store
    }

    /// Loads a safetensors file with timm's names in f64, f32, f16 or bf16, converted to the model's kind. Batch
    /// normalisation's `num_batches_tracked` is passed over; a classifier in the file is left out, and reported,
    /// when the model has none.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or does not fit: [`Error::Mismatch`] lists every tensor at fault.
    /// The model is then unchanged.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<LoadReport, Error> {
        self.load(weights::StateDict::read(path.as_ref())?)
    }

    /// Saves every parameter and buffer as safetensors under timm's names, so that PyTorch's strict
    /// `load_state_dict` takes the file. The file appears whole or not at all: an older one survives any failure.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        weights::save(path.as_ref(), self.resolved.architecture.name, &self.variables())
    }

    fn load(&mut self, state: weights::StateDict) -> Result<LoadReport, Error> {
        let target = weights::Target {
            model: &self.name,
            head: self.resolved.architecture.head().name,
            has_head: self.head.is_some(),
            variables: self.variables(),
        };
        weights::fit(state, target)
    }

    /// The model's own variables, by name.
    pub(crate) fn variables(&self) -> BTreeMap<String, Tensor> {
        let mut all = self.var_store.variables();
        self.own.iter().filter_map(|name| all.remove_entry(name)).collect()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name)
            .field("num_classes", &self.num_classes)
            .field("device", &self.device())
            .finish_non_exhaustive()
    }
}
