//! A model: a backbone, its classifier where it has one, their weights, and the preprocessing they expect.

use crate::arch::{self, Resolved, Sizes};
use crate::builder::{Builder, Start, Switches};
use crate::head::Head;
use crate::weights::{self, LoadReport, StateDict};
use crate::{Backbone, Error, Features, ModelInfo, ModelOptions, Preprocessing, Taps};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// A network that can be run, trained, loaded and saved.
///
/// Gradients are tracked as LibTorch's global state says: wrap inference in [`tch::no_grad`].
pub struct Model {
    name: String,
    resolved: Resolved,
    pub(crate) options: ModelOptions,
    pub(crate) num_classes: i64,
    backbone: Box<dyn Backbone>,
    pub(crate) head: Option<Head>,
    pub(crate) var_store: nn::VarStore,
    /// The names of the model's own variables: others may put theirs into the same store.
    pub(crate) own: Vec<String>,
    switches: Switches,
}

impl Model {
    /// Makes the model called `name` (`resnet50`) or `name.tag` (`resnet50.a1_in1k`) with random initial values, as
    /// timm's `create_model(name, pretrained=False)` does. A tag decides the classes and the preprocessing.
    ///
    /// # Errors
    /// An unknown name or tag (the nearest are listed), an option that the architecture has no use for or out of its
    /// range, a device that cannot be used.
    pub fn create(name: &str, options: &ModelOptions) -> Result<Self, Error> {
        Self::make(name, options, Start::Initial)
    }

    /// As [`Self::create`]; a blank one has to be given values before it is run.
    pub(crate) fn make(name: &str, options: &ModelOptions, start: Start) -> Result<Self, Error> {
        let mut resolved = arch::resolve(name)?;
        check(&resolved, options)?;
        if let Some((rows, _)) = options.image_size.filter(|(rows, columns)| rows == columns) {
            resolved.preprocessing.input_size = u32::try_from(rows).unwrap_or(u32::MAX);
        }
        let num_classes = options.num_classes.unwrap_or(resolved.num_classes);
        let device = options.device;
        if let Err(error) = Tensor::f_zeros([1], (Kind::Float, device)) {
            return Err(Error::Device { device, reason: error.to_string() });
        }

        // Made on the CPU and moved, so that a seed means the same on every device.
        let mut var_store = nn::VarStore::new(Device::Cpu);
        let (backbone, head, switches) = {
            let builder = Builder::new(var_store.root(), start, options);
            let (backbone, head) = resolved.architecture.build(&builder, num_classes)?;
            (backbone, head, builder.switches().clone())
        };
        if device != Device::Cpu {
            var_store.set_device(device);
        }
        let own = var_store.variables().into_keys().collect();
        let (name, options) = (name.into(), *options);
        Ok(Self { name, resolved, options, num_classes, backbone, head, var_store, own, switches })
    }

    /// Makes the model called `name` and loads a weight file into it, as [`Self::load_weights`] does. Unless
    /// `options` say otherwise, the classifier has as many classes as the file's; a file without one gives a model
    /// without one. From a folder of the Hugging Face hub that has a `config.json`, the preprocessing is read too.
    ///
    /// # Errors
    /// Those of [`Self::create`] and [`Self::load_weights`]; a `config.json` that cannot be understood.
    pub fn from_weights(
        name: &str,
        path: impl AsRef<Path>,
        options: &ModelOptions,
    ) -> Result<(Self, LoadReport), Error> {
        let resolved = arch::resolve(name)?;
        check(&resolved, options)?;
        let architecture = resolved.architecture;
        let path = path.as_ref();
        let mut state = StateDict::read(path)?;
        let config = path.is_dir() && path.join("config.json").is_file();
        let config = if config { Some(Preprocessing::from_hub_config(path)?) } else { None };
        let blank = architecture.blank(options, resolved.num_classes)?;
        weights::adapt(&mut state, architecture, &blank.tensors, options)?;
        // With a classifier that cannot be the architecture's, loading lists it among all that does not fit.
        let num_classes = match options.num_classes {
            None => state.classes(architecture.config.head().name, blank.embed_dim),
            given => given,
        };
        // Blank: every value comes from the file.
        let mut model = Self::make(name, &ModelOptions { num_classes, ..*options }, Start::Blank)?;
        let report = model.fit(state)?;
        if let Some(config) = config {
            model.resolved.preprocessing = config.preprocessing;
        }
        Ok((model, report))
    }

    /// Makes the model that a folder of the Hugging Face hub holds: the architecture that its `config.json` names in
    /// timm's form, with its preprocessing and weights.
    ///
    /// # Errors
    /// Those of [`Self::from_weights`]; a `config.json` that names no architecture.
    pub fn from_hub(folder: impl AsRef<Path>, options: &ModelOptions) -> Result<(Self, LoadReport), Error> {
        let folder = folder.as_ref();
        let config = Preprocessing::from_hub_config(folder)?;
        let Some(architecture) = config.architecture else {
            let what = format!("architecture named in {}", folder.join("config.json").display());
            let known = "name it yourself, from_weights(name, folder)".into();
            return Err(Error::Unknown { what, known });
        };
        let tagged = config.tag.map(|tag| format!("{architecture}.{tag}"));
        let name = tagged.filter(|name| arch::resolve(name).is_ok()).unwrap_or(architecture);
        Self::from_weights(&name, folder, options)
    }

    /// A model around a backbone that was made elsewhere: without a classifier, and with nothing in its store but `buffer`.
    pub(crate) fn around(
        name: &str,
        options: &ModelOptions,
        backbone: Box<dyn Backbone>,
        buffer: (&str, Tensor),
    ) -> Result<Self, Error> {
        let resolved = arch::resolve(name)?;
        let mut var_store = nn::VarStore::new(Device::Cpu);
        let switches = Builder::new(var_store.root(), Start::Blank, options).switches().clone();
        let _ = var_store.root().add(buffer.0, buffer.1, false);
        var_store.set_device(options.device);
        let own = vec![buffer.0.to_owned()];
        let (name, options) = (name.into(), *options);
        Ok(Self { name, resolved, options, num_classes: 0, backbone, head: None, var_store, own, switches })
    }

    /// The name it was created by, with its tag if that was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The evaluation transform: that of the name, or of the folder that the weights came from.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.resolved.preprocessing
    }

    /// What the table knows about the name; the parameters are those of this model, with its own classifier.
    pub fn info(&self) -> ModelInfo {
        let (embed_dim, parameters) = (self.embed_dim(), self.parameter_count());
        ModelInfo::new(&self.name, &self.resolved, embed_dim, parameters, self.num_classes)
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

    /// Logits (N, classes) of normalised images `x` (N, C, H, W); without a classifier the pooled features, as
    /// timm's `num_classes=0`. `train` selects batch statistics and stochastic layers.
    ///
    /// # Errors
    /// When the size of `x` does not fit the network.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.logits(&self.backbone.forward_with_taps(x, train, Taps::None)?, train)
    }

    /// Logits (N, classes) from features; without a classifier the pooled features. `train` turns the dropout of
    /// [`ModelOptions::drop_rate`] on.
    ///
    /// # Errors
    /// When the features are another network's.
    pub fn logits(&self, features: &Features, train: bool) -> Result<Tensor, Error> {
        match &self.head {
            Some(head) => head.forward(features, self.options.drop_rate, train),
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

    /// Loads a weight file of any format that [`StateDict::read`] knows, in f64, f32, f16 or bf16, converted to the model's
    /// kind. Other publishers' names are turned into timm's. Batch normalisation's `num_batches_tracked` is passed over; a
    /// classifier in the file is left out, and reported, when the model has none.
    ///
    /// On the CPU, parameters of the file's kind stay in the mapped file until they are changed: it must not be cut short
    /// or rewritten in place while the model lives. Replacing it by another, as [`Self::save_weights`] does, is safe.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or does not fit: [`Error::Mismatch`] lists every tensor at fault.
    /// The model is then unchanged.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<LoadReport, Error> {
        let mut state = StateDict::read(path)?;
        weights::adapt(&mut state, self.resolved.architecture, &self.variables(), &self.options)?;
        self.fit(state)
    }

    /// Saves every parameter and buffer as safetensors under timm's names, so that PyTorch's strict
    /// `load_state_dict` takes the file. The file appears whole or not at all: an older one survives any failure.
    ///
    /// # Errors
    /// When the file cannot be written; for a network from a compiled package.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        if self.is_compiled() {
            let what = format!("way to save `{}` from a compiled package", self.name);
            return Err(Error::Unknown { what, known: "copy the package".into() });
        }
        weights::save(path.as_ref(), self.resolved.architecture.name, &self.variables())
    }

    fn fit(&mut self, state: StateDict) -> Result<LoadReport, Error> {
        let target = weights::Target {
            model: &self.name,
            head: self.resolved.architecture.config.head(),
            has_head: self.head.is_some(),
            variables: self.variables(),
        };
        weights::fit(state, target)
    }

    /// Replaces the evaluation transform.
    pub(crate) fn set_preprocessing(&mut self, preprocessing: Preprocessing) {
        self.resolved.preprocessing = preprocessing;
    }

    /// The architecture that the name stands for.
    pub(crate) fn architecture(&self) -> &'static arch::Architecture {
        self.resolved.architecture
    }

    /// What may be turned while the network stands.
    pub(crate) fn switches(&self) -> &Switches {
        &self.switches
    }

    /// The model's own variables, by name.
    pub(crate) fn variables(&self) -> BTreeMap<String, Tensor> {
        let mut all = self.var_store.variables();
        self.own.iter().filter_map(|name| all.remove_entry(name)).collect()
    }
}

/// Refuses options that are out of range, or that the architecture would pass over.
fn check(resolved: &Resolved, options: &ModelOptions) -> Result<(), Error> {
    let architecture = resolved.architecture;
    let refused = |option, value: String, reason: &str| {
        Err(Error::Option { architecture: architecture.name.into(), option, value, reason: reason.into() })
    };
    if let Some(classes) = options.num_classes.filter(|classes| *classes < 0) {
        return Err(Error::NumClasses(classes));
    }
    if options.in_channels < 1 {
        let value = options.in_channels.to_string();
        return refused("in_channels", value, "images have at least one channel; RGB has 3");
    }
    for (option, rate) in [("drop_rate", options.drop_rate), ("drop_path_rate", options.drop_path_rate)] {
        if !(0.0..1.0).contains(&rate) {
            return refused(option, rate.to_string(), "give a probability of at least 0 and below 1");
        }
    }
    let sizes = architecture.config.sizes();
    if let Some((rows, columns)) = options.image_size {
        let value = format!("{rows}x{columns}");
        if sizes == Sizes::Free {
            return refused("image_size", value, "this network takes images of any size; leave it out");
        }
        if rows < 1 || columns < 1 {
            return refused("image_size", value, "give at least one pixel each way");
        }
    }
    if let Some(patch) = options.patch_size {
        if sizes != Sizes::ImageAndPatch {
            return refused(
                "patch_size",
                patch.to_string(),
                "this network has no patches of a free size; leave it out",
            );
        }
        if patch < 1 {
            return refused("patch_size", patch.to_string(), "give at least one pixel");
        }
    }
    Ok(())
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
