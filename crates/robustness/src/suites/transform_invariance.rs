//! How features change with what is done to an image: thirteen transforms, each in steps from nothing to its end (Bouchacourt, Ibrahim &
//! Morcos 2021).

use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, need};
use super::head::{Pass, View, filter, part_of};
use super::panels::Panels;
use super::published::{Measure, Published};
use crate::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::{
    Filter, RgbImage, Rng, Transform, adjust_brightness, adjust_contrast, affine, affine_matrix, posterize,
    solarize, view_rng,
};
use visrep_data::Dataset;
use visrep_metrics::{FeatureMatrix, equivariance};
use visrep_models::Model;
use visrep_probe::{
    FactorValue, FeatureSet, Findings, Recorder, Shown, SuiteContext, SuiteInfo, eval_transform, limited,
    pooled, record_invariance,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "transform-invariance",
    about: "how features stay as they are, or all move alike, under 13 transforms of an image in 10 steps each (Bouchacourt et al. 2021)",
    expects: &["imagenet/val/SYNSET/"],
    published: VAL_PUBLISHED,
};

/// Images unless the user says otherwise.
const IMAGES: usize = 1000;

/// Steps from nothing to the end of a transform's range.
const STEPS: usize = 10;

/// What is done, with the magnitude at which it changes nothing and that at which it ends.
#[derive(Clone, Copy)]
struct Change {
    name: &'static str,
    nothing: f64,
    end: f64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Degrees, along x or y.
    ShearX,
    ShearY,
    /// Shares of the side.
    TranslateX,
    TranslateY,
    /// Degrees.
    Rotate,
    /// How many times as large, black around.
    Zoom,
    /// Bits of each value, whole numbers.
    Posterize,
    /// Factors.
    Contrast,
    Brightness,
    /// Values from this share of white on are inverted.
    Solarize,
}

const fn change(name: &'static str, nothing: f64, end: f64, kind: Kind) -> Change {
    Change { name, nothing, end, kind }
}

const CHANGES: [Change; 13] = [
    change("shear-x", 0.0, 90.0, Kind::ShearX),
    change("shear-y", 0.0, 90.0, Kind::ShearY),
    change("translate-x", 0.0, 1.0, Kind::TranslateX),
    change("translate-y", 0.0, 1.0, Kind::TranslateY),
    change("rotate", 0.0, 180.0, Kind::Rotate),
    change("zoom-out", 1.0, 0.28, Kind::Zoom),
    change("zoom-in", 1.0, 3.5, Kind::Zoom),
    change("posterize", 8.0, 0.0, Kind::Posterize),
    change("contrast-down", 1.0, 0.0, Kind::Contrast),
    change("contrast-up", 1.0, 2.0, Kind::Contrast),
    change("brightness-down", 1.0, 0.0, Kind::Brightness),
    change("brightness-up", 1.0, 2.0, Kind::Brightness),
    change("solarize", 1.0, 0.0, Kind::Solarize),
];

impl Change {
    /// The magnitudes: that of nothing first, then the steps, each once.
    fn magnitudes(self) -> Vec<f64> {
        let at = |step: usize| {
            let value = self.nothing + (self.end - self.nothing) * step as f64 / STEPS as f64;
            if matches!(self.kind, Kind::Posterize) { value.round() } else { value }
        };
        let mut found: Vec<f64> = (0..=STEPS).map(at).collect();
        found.dedup();
        found
    }

    /// A square image changed by `magnitude`; by none it is as it was.
    fn apply(self, image: &RgbImage, magnitude: f64, interpolation: Filter) -> RgbImage {
        let mut image = image.clone();
        if magnitude == self.nothing {
            return image;
        }
        let side = f64::from(image.width());
        let warped = |degrees: f64, translate: (f64, f64), scale: f64, shear: (f64, f64)| {
            let matrix = affine_matrix(degrees, translate, scale, shear, (side / 2.0, side / 2.0));
            affine(&image, matrix, interpolation, [0; 3])
        };
        let still = (0.0, 0.0);
        match self.kind {
            Kind::ShearX => warped(0.0, still, 1.0, (magnitude, 0.0)),
            Kind::ShearY => warped(0.0, still, 1.0, (0.0, magnitude)),
            Kind::TranslateX => warped(0.0, (magnitude * side, 0.0), 1.0, still),
            Kind::TranslateY => warped(0.0, (0.0, magnitude * side), 1.0, still),
            Kind::Rotate => warped(magnitude, still, 1.0, still),
            Kind::Zoom => warped(0.0, still, magnitude, still),
            Kind::Posterize => {
                posterize(&mut image, magnitude as u8);
                image
            }
            Kind::Contrast => {
                adjust_contrast(&mut image, magnitude);
                image
            }
            Kind::Brightness => {
                adjust_brightness(&mut image, magnitude);
                image
            }
            Kind::Solarize => {
                solarize(&mut image, (magnitude * 256.0).round() as u16);
                image
            }
        }
    }
}

/// The suite.
pub(super) struct TransformInvariance;

impl Published for TransformInvariance {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        CHANGES.map(|change| change.name.to_owned()).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let path = need(&INFO, root, VAL)?;
        let all = class_folders(&path, ClassFolders::Synsets(None))?;
        let data = limited(all, context.limit.unwrap_or(IMAGES));
        if data.len() < 2 {
            let problem = "has fewer than two images: each is compared with another";
            return Err(Error::Layout { path, problem: problem.into() });
        }
        let asked = |change: &Change| task.is_none_or(|task| task == change.name);
        Ok(Opened { data, changes: CHANGES.into_iter().filter(asked).collect() })
    }
}

pub(super) struct Opened {
    data: Arc<dyn Dataset>,
    changes: Vec<Change>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.data]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Recorder::new(INFO.name, model, context);
        record
            .entry("images", format!("{}, evenly spread over ImageNet's validation images", self.data.len()));
        record.entry("features", "what the classifier reads");
        record.entry("transform", "after resize and crop; warps by the model's interpolation, black around");
        record.entry("invariance", INVARIANCE);
        for &change in &self.changes {
            record.part(&part_of(change.name, &self.data), |record| {
                self.one(record, &Pass { model, context }, change)
            })?;
        }
        Ok(record.findings)
    }
}

impl Opened {
    fn one(&self, record: &mut Recorder<'_>, pass: &Pass<'_>, change: Change) -> Result<(), Error> {
        let preprocessing = pass.model.preprocessing();
        let (evaluation, interpolation) =
            (eval_transform(preprocessing)?, filter(preprocessing.interpolation));
        let magnitudes = change.magnitudes();
        let made = magnitudes.clone();
        let make = move |image: &RgbImage, _: &mut Rng| {
            let seen = evaluation.apply(image.clone(), &mut view_rng(0, 0, 0, 0));
            made.iter().map(|&magnitude| change.apply(&seen, magnitude, interpolation)).collect()
        };
        let panels = Panels::new(magnitudes.len(), preprocessing.input_size, make);
        let (mut features, mut keys, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let data = Arc::clone(&self.data);
        pass.features_until(data, View::Panels(panels), change.name, |batch, found| {
            features.push(pooled(found)?);
            for (key, &label) in batch.keys.iter().zip(&batch.labels) {
                keys.extend(magnitudes.iter().map(|magnitude| format!("{key} {magnitude}")));
                labels.extend(magnitudes.iter().map(|_| label));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let values: Vec<_> = magnitudes.iter().map(|&magnitude| FactorValue::new(&[magnitude])).collect();
        let shown = labels.iter().enumerate().map(|(row, &label)| Shown {
            value: values[row % values.len()].clone(),
            object: usize::try_from(label).unwrap_or_default(),
            scene: row / values.len(),
        });
        let shown: Vec<_> = shown.collect();
        let features = FeatureSet::new(Tensor::f_cat(&features, 0)?, labels, keys)?;
        let seed = pass.context.seed;
        record_invariance(record, change.name, &features, &shown, &values[0], seed)?;
        let dim = usize::try_from(features.dim()).unwrap_or(1);
        let rows = Vec::<f32>::try_from(features.features.f_flatten(0, -1)?)?;
        let of = |nth: usize| -> Vec<f32> {
            rows.chunks_exact(dim).skip(nth).step_by(values.len()).flatten().copied().collect()
        };
        let usual = of(0);
        record.entry("equivariance", EQUIVARIANCE);
        for (nth, value) in values.iter().enumerate().skip(1) {
            let changed = of(nth);
            let found =
                equivariance(&FeatureMatrix::new(&usual, dim)?, &FeatureMatrix::new(&changed, dim)?, seed);
            match found {
                Ok(found) => {
                    let task = format!("{}/{value}", change.name);
                    record.figure(task, "equivariance", found, self.data.len(), None);
                }
                // Where a change moves nothing there is no direction.
                Err(visrep_metrics::Error::Undefined { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        record.protocol.remove("equivariance");
        Ok(())
    }
}

/// For the protocol.
const INVARIANCE: &str = "(d(z, z') - d(z, z_t)) / d(z, z') of an image z, itself transformed z_t and another one transformed z', by the cosine \
                          distance, and as invariance-l2 by the Euclidean one";
const EQUIVARIANCE: &str = "the mean cosine distance of pairs of differences z - z_t whose values are in drawn orders, less that of the pairs as they \
                            are";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_first_and_ends_are_reached() {
        for change in CHANGES {
            let magnitudes = change.magnitudes();
            assert_eq!((magnitudes[0], magnitudes[magnitudes.len() - 1]), (change.nothing, change.end));
            let expected = if matches!(change.kind, Kind::Posterize) { 9 } else { 11 };
            assert_eq!(magnitudes.len(), expected, "{}", change.name);
        }
    }

    #[test]
    fn images_are_changed_as_they_are_called() {
        let image = RgbImage::from_fn(8, 8, |x, y| [(x * 30 + 9) as u8, (y * 30 + 9) as u8, 77]);
        let by = |name: &str, magnitude: f64| {
            let change = CHANGES.into_iter().find(|change| change.name == name).unwrap();
            change.apply(&image, magnitude, Filter::Bilinear)
        };
        for change in CHANGES {
            assert_eq!(change.apply(&image, change.nothing, Filter::Bilinear), image, "{}", change.name);
            assert_ne!(change.apply(&image, change.end, Filter::Bilinear), image, "{}", change.name);
        }
        let right = by("translate-x", 0.25);
        assert_eq!((right.pixel(1, 3), right.pixel(2, 3)), ([0; 3], image.pixel(0, 3)));
        let down = by("translate-y", 0.5);
        assert_eq!((down.pixel(3, 3), down.pixel(3, 4)), ([0; 3], image.pixel(3, 0)));
        let black = RgbImage::filled(8, 8, [0; 3]);
        for name in ["translate-x", "translate-y"] {
            assert_eq!(by(name, 1.0), black, "{name}: nothing is left");
        }
        assert_eq!(by("posterize", 0.0), black);
        assert_eq!(by("brightness-down", 0.0), black);
        let grey = by("contrast-down", 0.0);
        assert!(grey.data().iter().all(|value| *value == grey.data()[0]));
        assert_eq!(by("solarize", 0.0).pixel(2, 1), image.pixel(2, 1).map(|value| 255 - value));
        // Half as large: the corners are black, and the middle is still there.
        let small = by("zoom-out", 0.5);
        assert_eq!(small.pixel(0, 0), [0; 3]);
        assert!(small.pixel(4, 4)[2] == 77);
        // Turned by half a circle.
        let turned = by("rotate", 180.0);
        assert!(turned.pixel(0, 0)[0].abs_diff(image.pixel(7, 7)[0]) <= 1);
    }
}
