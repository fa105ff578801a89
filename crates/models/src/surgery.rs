//! Changing a model: another classifier, none, or some of its classes; a copy with other options.

use crate::arch::Sizes;
use crate::builder::{Builder, Start};
use crate::head::Head;
use crate::tuning::replace_data;
use crate::{Error, Model, ModelOptions, Preprocessing};
use std::sync::PoisonError;
use tch::{Device, Kind, Tensor, nn};

/// How a new classifier starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadStart {
    /// As the architecture's own does, reproducibly with a seed ([`ModelOptions::seed`]).
    Random(Option<i64>),
    /// All zeros, so that every class starts equally likely (BiT, big_vision).
    Zero,
}

impl Model {
    /// Replaces the classifier by a new one of `num_classes`; 0 leaves the model without one. Its parameters in the
    /// `VarStore` are replaced too: an optimiser made before knows only the old ones.
    ///
    /// # Errors
    /// Negative classes.
    pub fn reset_classifier(&mut self, num_classes: i64, start: HeadStart) -> Result<(), Error> {
        if num_classes < 0 {
            return Err(Error::NumClasses(num_classes));
        }
        if num_classes == 0 {
            self.remove_classifier();
            return Ok(());
        }
        let seed = match start {
            HeadStart::Random(seed) => seed,
            HeadStart::Zero => None,
        };
        let spec = self.architecture().config.head();
        let (options, store) = (ModelOptions { seed, ..self.options }, nn::VarStore::new(Device::Cpu));
        let builder = Builder::new(store.root(), Start::Initial, &options);
        let head = Head::new(&builder, &spec, self.embed_dim(), num_classes)?;
        {
            let _no_grad = tch::no_grad_guard();
            let (kind, device) = (self.kind(), self.device());
            for mut tensor in store.variables().into_values() {
                if start == HeadStart::Zero {
                    let _ = tensor.f_zero_()?;
                }
                tensor.set_data(&tensor.f_to_device(device)?.f_to_kind(kind)?);
            }
        }
        self.remove_classifier();
        self.own.extend(store.variables().into_keys());
        let mut added = store.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        let mut variables = self.var_store.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        variables.named_variables.extend(added.named_variables.drain());
        variables.trainable_variables.append(&mut added.trainable_variables);
        drop(variables);
        (self.head, self.num_classes) = (Some(head), num_classes);
        Ok(())
    }

    /// Keeps only `classes` of the classifier, in this order: what ImageNet-A and -R need of a model of 1000 classes.
    /// The parameters stay the same variables, with fewer rows.
    ///
    /// # Errors
    /// A model without a classifier, no classes, a class that it does not have.
    pub fn select_classes(&mut self, classes: &[i64]) -> Result<(), Error> {
        let unknown = |what: String, known: String| Err(Error::Unknown { what, known });
        if self.num_classes == 0 {
            return unknown("classifier".into(), "give it one with reset_classifier".into());
        }
        if classes.is_empty() {
            return unknown(
                "class to keep".into(),
                "give at least one; reset_classifier(0) drops them all".into(),
            );
        }
        if let Some(class) = classes.iter().find(|class| !(0..self.num_classes).contains(*class)) {
            return unknown(
                format!("class {class}"),
                format!("its classes are 0 to {}", self.num_classes - 1),
            );
        }
        let spec = self.architecture().config.head();
        let index = Tensor::from_slice(classes).f_to_device(self.device())?;
        for (name, tensor) in self.variables() {
            if spec.owns(&name) {
                replace_data(tensor, |values| Ok(values.f_index_select(0, &index)?))?;
            }
        }
        self.num_classes = classes.len() as i64;
        Ok(())
    }

    /// A copy with memory of its own, to train while this one stays as it is. `change` may alter the options that it is made
    /// with: another [`ModelOptions::drop_path_rate`], another [`ModelOptions::image_size`], to which position embeddings are
    /// resampled as those of a weight file are. The classes and the device stay; every parameter of the copy takes gradients,
    /// and the modes of its layers are those of a new model.
    ///
    /// # Errors
    /// Options that the architecture has no use for; a network from a compiled package, which cannot be trained.
    pub fn duplicate(&self, change: impl FnOnce(&mut ModelOptions)) -> Result<Self, Error> {
        if self.is_compiled() {
            let what = format!("way to copy `{}` from a compiled package", self.name());
            return Err(Error::Unknown { what, known: "give the weights that it was compiled from".into() });
        }
        let mut options = self.options;
        change(&mut options);
        let (num_classes, device) = (Some(self.num_classes), self.device());
        let mut copy =
            Self::make(self.name(), &ModelOptions { num_classes, device, ..options }, Start::Blank)?;
        let input_size = copy.preprocessing().input_size;
        let resized = options.image_size != self.options.image_size;
        copy.set_preprocessing(match resized {
            true => Preprocessing { input_size, ..self.preprocessing().clone() },
            false => self.preprocessing().clone(),
        });
        let _no_grad = tch::no_grad_guard();
        let target = copy.variables();
        let mut values = self.variables();
        values.values_mut().try_for_each(|value| value.f_detach().map(|detached| *value = detached))?;
        self.architecture().config.adapt(&copy.options, &mut values, &target)?;
        for (name, mut variable) in target {
            let Some(value) = values.remove(&name).filter(|value| value.size() == variable.size()) else {
                let what = format!("way to fit `{name}` of `{}` into such a copy", self.name());
                return Err(Error::Unknown { what, known: "leave the size of the images as it is".into() });
            };
            variable.f_set_data(&value.f_to_dtype(value.kind(), false, true)?)?;
        }
        Ok(copy)
    }

    /// Whether the network takes images of any size as it is; others have parameters for one size, and
    /// [`Self::duplicate`] resamples them to another.
    pub fn takes_any_image_size(&self) -> bool {
        self.architecture().config.sizes() == Sizes::Free
    }

    /// The kind of the parameters.
    pub fn kind(&self) -> Kind {
        self.variables().into_values().next().map_or(Kind::Float, |tensor| tensor.kind())
    }

    fn remove_classifier(&mut self) {
        let spec = self.architecture().config.head();
        let removed: Vec<String> = self.own.iter().filter(|name| spec.owns(name)).cloned().collect();
        let mut variables = self.var_store.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &removed {
            if let Some(tensor) = variables.named_variables.remove(name) {
                let same = |other: &Tensor| other.data_ptr() == tensor.data_ptr();
                variables.trainable_variables.retain(|variable| !same(&variable.tensor));
            }
        }
        drop(variables);
        self.own.retain(|name| !removed.contains(name));
        (self.head, self.num_classes) = (None, 0);
    }
}
