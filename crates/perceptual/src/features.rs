//! Any backbone as a metric: several forms of distance from one pass.

use crate::distance::{check_finite, check_pair};
use crate::forms::{Tap, of_tap};
use crate::triplets::ImageDistances;
use crate::{DistanceForm, Error, LpipsNet, PerceptualDistance};
use tch::{Device, Kind, Tensor};
use visrep_augment::RgbImage;
use visrep_models::{Model, Taps};

/// Distances of several forms ([`DistanceForm`]) from the taps and the pooled features of one backbone, for which each image goes through the
/// network once.
///
/// Images whose size the network does not take are resized as [`PerceptualDistance::input_size`] says.
///
/// ```no_run
/// use visrep_models::{Model, ModelOptions};
/// use visrep_perceptual::{DistanceForm, FeatureDistances, ImageDistances};
/// # let (a, b) = (visrep_augment::RgbImage::filled(64, 64, [0; 3]), visrep_augment::RgbImage::filled(64, 64, [9; 3]));
///
/// let (model, _) = Model::from_weights("resnet50", "moco.safetensors", &ModelOptions::default())?;
/// let forms = [DistanceForm::Baseline, DistanceForm::Style];
/// let distances = FeatureDistances::new(&model, &["layer2", "layer3"], &forms)?;
/// let found = distances.measure(&[&a], &[&[&b]])?;
/// println!("baseline {}, style {}", found[0][0][0], found[1][0][0]);
/// # Ok::<(), visrep_perceptual::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FeatureDistances<'m> {
    network: PerceptualDistance<'m>,
    measured: Vec<Measured>,
}

/// The taps that perceptual distances look at unless one says otherwise: of the networks of LPIPS its own (outputs of ReLUs), of others the ends
/// of stages or every block (`layer1` …, `stages.0` …, `blocks.0` …), as Kumar et al. 2022 have it for ResNet, EfficientNet and ViT, and not the
/// stem; all taps of networks that have neither. None where the layers cannot be seen.
pub fn perceptual_taps(model: &Model) -> Vec<String> {
    let all = model.backbone().taps();
    if all.is_empty() {
        return Vec::new();
    }
    if let Some(net) = LpipsNet::ALL.into_iter().find(|net| net.architecture() == model.name()) {
        return net.taps().iter().map(|&tap| tap.to_owned()).collect();
    }
    let numbered = |tap: &&String| {
        ["layer", "stages.", "blocks."].iter().any(|stage| {
            tap.strip_prefix(stage).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let ends: Vec<String> = all.iter().filter(numbered).cloned().collect();
    if ends.is_empty() { all.to_vec() } else { ends }
}

/// One of the distances.
#[derive(Clone, Copy, Debug)]
enum Measured {
    /// The sum over the taps.
    Form(DistanceForm),
    /// The baseline on one tap.
    Tap(usize),
}

/// What a pass leaves of a batch.
struct Activations {
    taps: Vec<Tap>,
    pooled: Option<Tap>,
}

impl<'m> FeatureDistances<'m> {
    /// Distances of these forms over those taps of `model`'s backbone that `taps` names.
    ///
    /// # Errors
    /// A tap that there is not; no tap where a form needs one; no form.
    pub fn new(model: &'m Model, taps: &[&str], forms: &[DistanceForm]) -> Result<Self, Error> {
        if forms.is_empty() {
            return Err(visrep_metrics::Error::Empty { what: "forms of distances" }.into());
        }
        let network = match forms.iter().any(|form| form.needs_taps()) {
            true => PerceptualDistance::new(model, taps)?,
            false => PerceptualDistance::without_taps(model),
        };
        Ok(Self { network, measured: forms.iter().map(|&form| Measured::Form(form)).collect() })
    }

    /// Every form over the [`perceptual_taps`]; where the layers of the network cannot be seen, those alone that need none.
    ///
    /// # Errors
    /// None but those of [`Self::new`].
    pub fn all(model: &'m Model) -> Result<Self, Error> {
        let taps = perceptual_taps(model);
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let usable = |form: &DistanceForm| !taps.is_empty() || !form.needs_taps();
        let forms: Vec<_> = DistanceForm::ALL.into_iter().filter(usable).collect();
        Self::new(model, &taps, &forms)
    }

    /// Measures besides the [`DistanceForm::Baseline`] on each tap alone, in the network's order, after the forms.
    #[must_use]
    pub fn with_each_tap(mut self) -> Self {
        self.measured.extend((0..self.network.taps().len()).map(Measured::Tap));
        self
    }

    /// The taps used; none where no form needs them.
    pub fn taps(&self) -> &[String] {
        self.network.taps()
    }

    /// Width and height to which images of `width` x `height` are resized, as [`PerceptualDistance::input_size`].
    ///
    /// # Errors
    /// Images that the network does not take in any size.
    pub fn input_size(&self, width: u32, height: u32) -> Result<(u32, u32), Error> {
        self.network.input_size(width, height)
    }

    /// Distances (N) f32 on the CPU, one tensor for each in the order of [`ImageDistances::names`], between normalised images `a` and `b`, both
    /// (N, 3, H, W) f32 as the model's preprocessing makes them, of a size that the network takes.
    ///
    /// # Errors
    /// Images of different sizes, or of one that the network refuses; distances that are not finite.
    pub fn distances(&self, a: &Tensor, b: &Tensor) -> Result<Vec<Tensor>, Error> {
        if a.size() != b.size() {
            return Err(Error::Size { a: format!("{:?}", a.size()), b: format!("{:?}", b.size()) });
        }
        tch::no_grad(|| self.between(&self.activations(a)?, &self.activations(b)?))
    }

    fn activations(&self, x: &Tensor) -> Result<Activations, Error> {
        let backbone = self.network.model().backbone();
        let x = x.f_to_device(self.network.model().device())?;
        let names: Vec<&str> = self.taps().iter().map(String::as_str).collect();
        let names = if names.is_empty() { Taps::None } else { Taps::Named(&names) };
        let reads_pooled =
            self.measured.iter().any(|one| matches!(one, Measured::Form(DistanceForm::PooledCosine)));
        let (taps, pooled) = if reads_pooled {
            let features = backbone.forward_with_taps(&x, false, names)?;
            (features.taps, Some(features.pooled))
        } else {
            (backbone.forward_taps(&x, false, names)?, None)
        };
        let taps = taps.into_iter().map(|(_, tap)| Tap::new(tap)).collect::<Result<_, _>>()?;
        // One position of many channels.
        let pooled = pooled.map(|pooled| Tap::new(pooled.f_unsqueeze(1)?)).transpose()?;
        Ok(Activations { taps, pooled })
    }

    fn between(&self, a: &Activations, b: &Activations) -> Result<Vec<Tensor>, Error> {
        let of = |one: &Measured| -> Result<Tensor, Error> {
            let (form, first, second) = match *one {
                Measured::Form(form @ DistanceForm::PooledCosine) => {
                    (form, a.pooled.as_slice(), b.pooled.as_slice())
                }
                Measured::Form(form) => (form, a.taps.as_slice(), b.taps.as_slice()),
                Measured::Tap(tap) => (DistanceForm::Baseline, &a.taps[tap..=tap], &b.taps[tap..=tap]),
            };
            let mut total: Option<Tensor> = None;
            for (a, b) in first.iter().zip(second) {
                let distance = of_tap(form, a, b)?;
                total = Some(match total {
                    Some(total) => total.f_add(&distance)?,
                    None => distance,
                });
            }
            let total = total.ok_or(visrep_metrics::Error::Empty { what: "taps" })?;
            let total = total.f_to_device(Device::Cpu)?;
            check_finite(&total)?;
            Ok(total)
        };
        self.measured.iter().map(of).collect()
    }
}

impl ImageDistances for FeatureDistances<'_> {
    fn names(&self) -> Vec<String> {
        let model = self.network.model().name();
        let taps = self.taps().join(", ");
        let name = |one: &Measured| match *one {
            Measured::Form(DistanceForm::PooledCosine) => format!("{model}, pooled-cosine"),
            Measured::Form(form) => format!("{model}, {form} ({taps})"),
            Measured::Tap(tap) => format!("{model}, baseline ({})", self.taps()[tap]),
        };
        self.measured.iter().map(name).collect()
    }

    fn measure(
        &self,
        references: &[&RgbImage],
        others: &[&[&RgbImage]],
    ) -> Result<Vec<Vec<Vec<f64>>>, Error> {
        tch::no_grad(|| {
            let reference = self.activations(&self.network.inputs(references)?)?;
            let mut found = vec![Vec::with_capacity(others.len()); self.measured.len()];
            for images in others {
                check_pair(references, images)?;
                let distances =
                    self.between(&reference, &self.activations(&self.network.inputs(images)?)?)?;
                for (found, distances) in found.iter_mut().zip(distances) {
                    found.push(Vec::<f64>::try_from(distances.f_to_kind(Kind::Double)?)?);
                }
            }
            Ok(found)
        })
    }
}
