//! Small translations and changes of size, after which a prediction should be the same (Azulay & Weiss 2019; Zhang 2019), and accuracy by
//! an object's place in the image.

use super::figures::share;
use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, coverage, need};
use super::head::{Classes, Pass, View, filter, keys_and_labels};
use super::panels::Panels;
use super::published::{Measure, Published};
use super::si_score::verdicts;
use crate::Error;
use rand::RngExt as _;
use std::path::Path;
use std::sync::Arc;
use tch::Kind;
use visrep_augment::{Padding, RgbImage, Rng, Transform, crop_padded, presets};
use visrep_data::Dataset;
use visrep_metrics::{bootstrap_mean, mean};
use visrep_models::{Model, Preprocessing};
use visrep_probe::{
    FactorValue, Findings, LEVEL, RESAMPLES, Recorder, Shown, SuiteContext, SuiteInfo, TaskVerdicts,
    record_by_value,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "translation",
    about: "whether predictions change with crops, by a pixel to the side or in size, and accuracy by place (Zhang 2019; Azulay & Weiss 2019)",
    expects: &["imagenet/val/SYNSET/"],
    published: VAL_PUBLISHED,
};

/// Pairs of crops of each image.
const PAIRS: usize = 5;

/// Places along each axis of the accuracy by place.
const PLACES: u32 = 5;

/// The parts of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Consistency,
    OnePixel,
    Position,
}

const TESTS: [(&str, Test); 3] =
    [("consistency", Test::Consistency), ("one-pixel", Test::OnePixel), ("position", Test::Position)];

/// The suite.
pub(super) struct Translation;

impl Published for Translation {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        TESTS.map(|(name, _)| name.to_owned()).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let all = class_folders(&need(&INFO, root, VAL)?, ClassFolders::Synsets(None))?;
        let asked = |&(name, _): &(&str, Test)| task.is_none_or(|task| task == name);
        let tests = TESTS.into_iter().filter(asked).map(|(_, test)| test).collect();
        let coverage = coverage(all.len(), 50_000);
        Ok(Opened { data: context.limited(all), tests, coverage })
    }
}

pub(super) struct Opened {
    data: Arc<dyn Dataset>,
    tests: Vec<Test>,
    coverage: String,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.data]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        record.entry("images", self.coverage.clone());
        let pass = Pass { model, context };
        for test in &self.tests {
            match test {
                Test::Consistency => self.consistency(&mut record, &pass)?,
                Test::OnePixel => self.one_pixel(&mut record, &pass)?,
                Test::Position => self.position(&mut record, &pass)?,
            }
        }
        Ok(record.findings)
    }
}

impl Opened {
    /// How often two crops of an image are given the same class.
    fn consistency(&self, record: &mut Recorder<'_>, pass: &Pass<'_>) -> Result<(), Error> {
        let preprocessing = pass.model.preprocessing();
        let side = preprocessing.input_size;
        // 256 of 224 pixels.
        let large = (f64::from(side) * 256.0 / 224.0).round() as u32;
        let room = (large - side).max(1);
        let whole = square(preprocessing, large)?;
        let panels = Panels::new(2 * PAIRS, side, move |image, rng| {
            let whole = whole(image);
            let mut crop = || {
                let [x, y] = [0; 2].map(|_: i32| rng.random_range(0..room) as i32);
                crop_padded(&whole, x, y, side, side, Padding::Edge)
            };
            (0..2 * PAIRS).map(|_| crop()).collect()
        });
        let equal = pass.row(&self.data, View::Panels(panels), "consistency", |_, logits| {
            let predictions = Vec::<i64>::try_from(logits.f_argmax(1, false)?)?;
            let share = |of_image: &[i64]| {
                let same = of_image.chunks_exact(2).filter(|pair| pair[0] == pair[1]).count();
                same as f64 / PAIRS as f64
            };
            Ok(predictions.chunks_exact(2 * PAIRS).map(share).collect())
        })?;
        record.entry(
            "crops",
            format!(
                "shorter side {large}, the middle square of it, {PAIRS} pairs of crops of {side} from 0 to {} pixels from its left and top, \
                 drawn for each image (in the published code for each batch)",
                room - 1
            ),
        );
        let interval = bootstrap_mean(&equal, RESAMPLES, LEVEL, pass.context.seed)?;
        record.figure("consistency", "consistency", mean(&equal)?, equal.len(), Some(interval));
        record.protocol.remove("crops");
        Ok(())
    }

    /// How often, and how far, the prediction of a small image on black changes by a pixel.
    fn one_pixel(&self, record: &mut Recorder<'_>, pass: &Pass<'_>) -> Result<(), Error> {
        let preprocessing = pass.model.preprocessing();
        let (side, small) = embedded(preprocessing);
        let (usual, larger) = (square(preprocessing, small)?, square(preprocessing, small + 1)?);
        // That both a shift to the right and a larger image are still inside.
        let room = side - small;
        let panels = Panels::new(3, side, move |image, rng| {
            let [x, y] = [0; 2].map(|_: i32| rng.random_range(0..room) as i32);
            let (usual, larger) = (usual(image), larger(image));
            vec![
                on_black(&usual, x, y, side),
                on_black(&usual, x + 1, y, side),
                on_black(&larger, x, y, side),
            ]
        });
        // Of both changes, whether the class is another one and how much the probability is.
        let found = pass.row(&self.data, View::Panels(panels), "one pixel", |_, logits| {
            let probabilities = logits.f_softmax(1, Kind::Double)?;
            let classes = probabilities.size()[1];
            let predictions = Vec::<i64>::try_from(probabilities.f_argmax(1, false)?)?;
            // Of the class that the image is first taken for.
            let of_images = probabilities.f_view([-1, 3, classes])?;
            let first = of_images.f_select(1, 0)?.f_argmax(1, false)?.f_view([-1, 1, 1])?;
            let first = first.f_expand([-1, 3, 1], false)?;
            let first = Vec::<f64>::try_from(of_images.f_gather(2, &first, false)?.f_flatten(0, -1)?)?;
            let changed = |(predicted, p): (&[i64], &[f64])| {
                [1, 2].map(|other| (f64::from(predicted[other] != predicted[0]), (p[other] - p[0]).abs()))
            };
            Ok(predictions.chunks_exact(3).zip(first.chunks_exact(3)).map(changed).collect())
        })?;
        let embedding = embedding(side, small);
        let seed = pass.context.seed;
        for (change, (task, how)) in [
            ("one-pixel-shift", "moved to the right by one pixel".to_owned()),
            ("one-pixel-scale", format!("made {} pixels large", small + 1)),
        ]
        .into_iter()
        .enumerate()
        {
            record.entry("change", format!("{embedding} at a place drawn for each, then {how}"));
            let (flips, changes): (Vec<f64>, Vec<f64>) =
                found.iter().map(|of_image| of_image[change]).unzip();
            for (metric, values) in [("flip-probability", flips), ("probability-change", changes)] {
                let interval = bootstrap_mean(&values, RESAMPLES, LEVEL, seed)?;
                record.figure(task, metric, mean(&values)?, values.len(), Some(interval));
            }
        }
        record.protocol.remove("change");
        Ok(())
    }

    /// Accuracy with the image at places of a grid.
    fn position(&self, record: &mut Recorder<'_>, pass: &Pass<'_>) -> Result<(), Error> {
        let preprocessing = pass.model.preprocessing();
        let (side, small) = embedded(preprocessing);
        let object = square(preprocessing, small)?;
        let offset = move |nth: u32| (side - small) * nth / (PLACES - 1);
        let grid: Vec<(u32, u32)> =
            (0..PLACES).flat_map(|down| (0..PLACES).map(move |across| (across, down))).collect();
        let middle = |nth: u32| (f64::from(offset(nth)) + f64::from(small) / 2.0) / f64::from(side);
        let values: Vec<_> =
            grid.iter().map(|&(across, down)| FactorValue::new(&[middle(across), middle(down)])).collect();
        let panels = Panels::new(grid.len(), side, move |image: &RgbImage, _: &mut Rng| {
            let object = object(image);
            let at = |&(x, y): &(u32, u32)| on_black(&object, offset(x) as i32, offset(y) as i32, side);
            grid.iter().map(at).collect()
        });
        let (keys, labels) = keys_and_labels(&self.data)?;
        let mut shown = Vec::with_capacity(labels.len() * values.len());
        for (scene, (key, &label)) in keys.iter().zip(&labels).enumerate() {
            let object = usize::try_from(label).map_err(|_| Error::NoLabel { key: key.clone() })?;
            shown.extend(values.iter().map(|value| Shown { value: value.clone(), object, scene }));
        }
        // Of each image at all places.
        let correct = pass.row(&self.data, View::Panels(panels), "position", |batch, logits| {
            let repeated: Vec<i64> =
                batch.labels.iter().flat_map(|&label| std::iter::repeat_n(label, values.len())).collect();
            Ok(verdicts(logits, &repeated)?.chunks_exact(values.len()).map(<[bool]>::to_vec).collect())
        })?;
        let correct = correct.concat();
        record
            .entry("places", format!("{}, its middle as shares of width and height", embedding(side, small)));
        record_by_value(record, "position", &shown, &correct, pass.context.seed)?;
        // Places of one image are not independent: the interval is that of the mean over places, which is the same figure, and verdicts
        // are kept by place, so that an image counts once where they are paired.
        record.figure("position", "top1", share(&correct)?.0, correct.len(), None);
        record.protocol.remove("places");
        for (place, value) in values.iter().enumerate() {
            let of_place = correct.iter().skip(place).step_by(values.len()).copied().collect();
            let task = format!("position/{value}");
            record.findings.verdicts.push(TaskVerdicts::new(task, &keys, &labels, of_place));
        }
        Ok(())
    }
}

/// The model's side and that of an image on black: 100 of 224 pixels.
fn embedded(preprocessing: &Preprocessing) -> (u32, u32) {
    let side = preprocessing.input_size;
    (side, (f64::from(side) * 100.0 / 224.0).round().max(1.0) as u32)
}

fn embedding(side: u32, small: u32) -> String {
    format!("the image's middle square, {small} pixels large, on black of {side}")
}

/// Resizes the shorter side to `side` and cuts the middle square out.
fn square(
    preprocessing: &Preprocessing,
    side: u32,
) -> Result<impl Fn(&RgbImage) -> RgbImage + Send + Sync + 'static, Error> {
    let transform = presets::eval(side, side, filter(preprocessing.interpolation))?;
    Ok(move |image: &RgbImage| transform.apply(image.clone(), &mut visrep_augment::view_rng(0, 0, 0, 0)))
}

/// The image with its corner at a place of a black square.
fn on_black(image: &RgbImage, x: i32, y: i32, side: u32) -> RgbImage {
    crop_padded(image, -x, -y, side, side, Padding::Constant([0; 3]))
}
