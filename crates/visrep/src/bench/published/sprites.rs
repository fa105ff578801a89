//! How features and accuracy change with each latent of procedural sprites: the invariance analysis with no download.

use std::iter;
use std::path::Path;
use std::sync::Arc;
use visrep_augment::view_rng;
use visrep_data::{Dataset, Fingerprint, Subset};
use visrep_models::Model;
use visrep_probe::{
    Error, FactorValue, FeatureSet, Findings, KnnOptions, OpenSuite, Recorder, Shown, Suite, SuiteContext,
    SuiteInfo, extract, knn_sweep, record_by_value, record_invariance,
};
use visrep_vtab::{SpriteLabel, SpriteLatents, Sprites};

const INFO: SuiteInfo = SuiteInfo {
    name: "sprites-invariance",
    about: "how features, and the accuracy of shapes, change with a sprite's size, angle and place; drawn, with dSprites' latents",
    expects: &[],
    published: "drawn by visrep",
};

/// The table.
pub static SUITES: [&dyn Suite; 1] = [&SpritesInvariance];

/// Sprites that each factor is changed of, unless `--limit` says otherwise.
const SCENES: usize = 100;
/// Sprites whose shapes the nearest-neighbour classifier knows: none of the others.
const KNOWN: usize = 1000;

/// A latent that is changed.
#[derive(Clone, Copy)]
struct Factor {
    task: &'static str,
    /// The classes that are looked at, the one with which others are compared first.
    classes: &'static [u32],
    /// The latent's value of a class, as dSprites has it: shares of the full size and of the way across, degrees.
    value: fn(u32) -> f64,
    set: fn(&mut SpriteLatents, u32),
}

const FACTORS: [Factor; 4] = [
    Factor {
        task: "scale",
        classes: &[5, 0, 1, 2, 3, 4],
        value: |class| 0.5 + 0.1 * f64::from(class),
        set: |latents, class| latents.scale = class,
    },
    Factor {
        task: "orientation",
        classes: &[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36],
        value: |class| f64::from(class) * 360.0 / 39.0,
        set: |latents, class| latents.orientation = class,
    },
    Factor { task: "x", classes: PLACES, value: place, set: |latents, class| latents.x = class },
    Factor { task: "y", classes: PLACES, value: place, set: |latents, class| latents.y = class },
];

const PLACES: &[u32] = &[16, 0, 4, 8, 12, 20, 24, 28, 31];

fn place(class: u32) -> f64 {
    f64::from(class) / 31.0
}

struct SpritesInvariance;

impl Suite for SpritesInvariance {
    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        FACTORS.map(|factor| factor.task.to_owned()).to_vec()
    }

    fn open(
        &self,
        _root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let drawn = draw(KNOWN + context.limit.unwrap_or(SCENES), context.seed)?;
        let (known, scenes) = drawn.split_at(KNOWN);
        let sprites: Arc<dyn Dataset> = Arc::new(Sprites::new(SpriteLabel::Shape));
        let chosen = FACTORS.into_iter().filter(|factor| task.is_none_or(|task| task == factor.task));
        let factors = chosen.map(|factor| changed(factor, scenes, &sprites)).collect::<Result<_, _>>()?;
        let known = known.iter().map(|&latents| index(latents)).collect::<Result<_, _>>()?;
        Ok(Box::new(Opened { known: Arc::new(Subset::new(sprites, known)), factors, scenes: scenes.len() }))
    }
}

/// Different sprites.
fn draw(count: usize, seed: u64) -> Result<Vec<SpriteLatents>, Error> {
    if count > Sprites::LEN {
        let expected = "fewer than there are sprites, 737,280";
        return Err(Error::Parameter { parameter: "--limit", value: count as f64, expected });
    }
    let indices = rand::seq::index::sample(&mut view_rng(seed, 0, 0, 0), Sprites::LEN, count);
    Ok(indices.into_iter().filter_map(SpriteLatents::of_index).collect())
}

fn index(latents: SpriteLatents) -> Result<usize, Error> {
    latents.index().ok_or_else(|| Error::Suite {
        suite: INFO.name,
        message: format!("{latents:?} is not in the table of sprites"),
    })
}

/// Every scene at every value of a factor.
struct Changed {
    factor: Factor,
    data: Arc<dyn Dataset>,
    shown: Vec<Shown>,
}

fn changed(factor: Factor, scenes: &[SpriteLatents], sprites: &Arc<dyn Dataset>) -> Result<Changed, Error> {
    let (mut indices, mut shown) = (Vec::new(), Vec::new());
    for &class in factor.classes {
        for (scene, &latents) in scenes.iter().enumerate() {
            let mut latents = latents;
            (factor.set)(&mut latents, class);
            indices.push(index(latents)?);
            let value = FactorValue::new(&[(factor.value)(class)]);
            shown.push(Shown { value, object: scene, scene });
        }
    }
    Ok(Changed { factor, data: Arc::new(Subset::new(Arc::clone(sprites), indices)), shown })
}

struct Opened {
    known: Arc<dyn Dataset>,
    factors: Vec<Changed>,
    scenes: usize,
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        for data in iter::once(&self.known).chain(self.factors.iter().map(|changed| &changed.data)) {
            hash.number(data.fingerprint()?);
        }
        Ok(hash.finish())
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let options = context.extract_options();
        let features = |data: &Arc<dyn Dataset>| -> Result<FeatureSet, Error> {
            context.go_on()?;
            extract(model, Arc::clone(data), &options)
        };
        let known = features(&self.known)?;
        let mut record = Recorder::new(INFO.name, model, context);
        let knn = KnnOptions::default();
        record.entry("features", "what the classifier reads");
        record.entry(
            "classifier",
            format!("of the three shapes, {} nearest of {KNOWN} other sprites, DINO's weighting", knn.k),
        );
        record.entry("scenes", format!("{} sprites, drawn", self.scenes));
        for changed in &self.factors {
            let Changed { factor, data, shown } = changed;
            let found = features(data)?;
            let reference = shown[0].value.clone();
            record.entry("reference", reference.to_string());
            record_invariance(&mut record, factor.task, &found, shown, &reference, context.seed)?;
            let predictions = knn_sweep(&known, &found, &[knn])?;
            let predictions = predictions.into_iter().next().unwrap_or_default();
            let correct: Vec<bool> = predictions
                .iter()
                .zip(&found.labels)
                .map(|(prediction, label)| prediction == label)
                .collect();
            record_by_value(&mut record, factor.task, shown, &correct, context.seed)?;
        }
        Ok(record.findings)
    }
}
