//! The models that a benchmark compares.

use super::results::ModelEntry;
use crate::commands::compute::Compute;
use crate::source::Source;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use visrep_data::Fingerprint;
use visrep_models::{Model, ModelOptions};
use visrep_train::{Outcome, Recipe, RunOptions, train};

/// A model and what the report says of it.
pub struct Contestant {
    /// The record.
    pub entry: ModelEntry,
    /// The network.
    pub model: Model,
    /// The recipe that trained it, when this benchmark did.
    pub recipe: Option<Recipe>,
}

/// How the default contestants are made.
pub struct Training<'a> {
    /// Where runs are kept; a finished one is used again.
    pub folder: &'a Path,
    /// Seed of initialisation and training.
    pub seed: u64,
    /// Where to train, and how the trained networks run.
    pub compute: &'a Compute,
    /// Threads that decode and augment.
    pub workers: usize,
    /// Raised when the benchmark should stop.
    pub stop: Arc<AtomicBool>,
}

/// Why there are no contestants yet: a signal stopped their training, which can resume.
#[derive(Debug, thiserror::Error)]
#[error("stopped by a signal; the same command resumes")]
pub struct Interrupted;

/// The recipes whose results the default benchmark compares with a random initialisation.
const RECIPES: [(&str, &str, &str); 2] = [
    ("simclr", "SimCLR", "trained on both sets' training images without labels"),
    (
        "supervised",
        "Supervised",
        "trained with the labels of those images, every class below among them: an upper bound, not few-shot",
    ),
];

/// A random initialisation, a backbone trained without labels and one trained with them, all of one architecture.
pub fn trained_here(training: &Training<'_>) -> Result<Vec<Contestant>> {
    let mut found = Vec::new();
    for (id, label, about) in RECIPES {
        let name = format!("{id}-fixtures");
        let recipe = Recipe::named(&name)?;
        if found.is_empty() {
            found.push(random(&recipe.model.name, training.seed, training.compute)?);
        }
        // Another recipe or seed is another run, beside this one.
        let digest = hash(&recipe.to_toml()?);
        let run = training.folder.join(format!("{name}-seed{}-{digest:08x}", training.seed));
        let weights = run.join("model.safetensors");
        eprintln!("{label}: recipe {name} in {}", run.display());
        let options = RunOptions {
            seed: training.seed,
            device: training.compute.device,
            workers: training.workers,
            stop: training.stop.clone(),
            progress: true,
        };
        match train(&recipe, Source::AllFixtures.open_train()?, &run, &options)? {
            Outcome::Finished => {}
            Outcome::Interrupted => bail!(Interrupted),
        }
        let mut contestant = own(&recipe.model.name, &weights, training.compute)?;
        contestant.entry = ModelEntry {
            id: id.to_owned(),
            label: label.to_owned(),
            about: about.to_owned(),
            weights: format!("recipe {name}, seed {}", training.seed),
            ..contestant.entry
        };
        contestant.recipe = Some(recipe);
        found.push(contestant);
    }
    Ok(found)
}

/// Folded to 32 bits, which are enough to tell recipes apart.
fn hash(text: &str) -> u32 {
    let hash = Fingerprint::of(text);
    (hash ^ (hash >> 32)) as u32
}

/// The floor that every comparison needs: a network that has learned nothing.
pub fn random(name: &str, seed: u64, compute: &Compute) -> Result<Contestant> {
    let device = compute.device;
    let seed_i64 = i64::try_from(seed).context("the seed is too large")?;
    let mut model = Model::create(
        name,
        &ModelOptions { num_classes: Some(0), device, seed: Some(seed_i64), ..Default::default() },
    )?;
    compute.prepare(&mut model)?;
    let entry = ModelEntry {
        id: "random".to_owned(),
        label: "Random".to_owned(),
        about: "never trained: the floor".to_owned(),
        architecture: name.to_owned(),
        weights: format!("random initialisation, seed {seed}"),
        parameters: model.parameter_count(),
    };
    Ok(Contestant { entry, model, recipe: None })
}

/// A user's weights.
pub fn own(name: &str, weights: &Path, compute: &Compute) -> Result<Contestant> {
    let model = crate::commands::open_model(Some(name), weights, compute)?;
    let entry = ModelEntry {
        id: "own".to_owned(),
        label: name.to_owned(),
        about: format!("weights {}", weights.display()),
        architecture: name.to_owned(),
        weights: weights.display().to_string(),
        parameters: model.parameter_count(),
    };
    Ok(Contestant { entry, model, recipe: None })
}
