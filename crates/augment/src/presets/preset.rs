//! A published recipe: which views of an image it takes, and what is mixed across the batch.

use super::Step;
use crate::{BatchMix, Compose, Error};
use std::fmt;

/// A recipe of views.
pub struct Preset {
    /// As [`by_name`](super::by_name) takes it.
    pub name: &'static str,
    /// Whose it is: the paper, and the file that its parameters are from.
    pub source: &'static str,
    /// The kinds of views, in order.
    pub views: Vec<PresetView>,
    /// What is done to batches, which no transform of single images does.
    pub batch: Option<BatchRecipe>,
}

/// One kind of view of a [`Preset`].
pub struct PresetView {
    /// How many of them are taken from an image.
    pub count: usize,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The steps as a transform.
    pub transform: Compose,
}

impl PresetView {
    /// Errs where a parameter of a step is out of range.
    pub fn new(count: usize, steps: Vec<Step>) -> Result<Self, Error> {
        let transform = steps.iter().try_fold(Compose::new(), |compose, step| step.add_to(compose))?;
        Ok(Self { count, steps, transform })
    }
}

/// What a supervised recipe does to a batch and its labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchRecipe {
    /// Parameter of mixup's Beta distribution; 0 for no mixup.
    pub mixup: f64,
    /// Parameter of CutMix's Beta distribution; 0 for no CutMix. Where both are, each batch gets either, by equal chance.
    pub cutmix: f64,
    /// How much of the label is spread over all classes.
    pub label_smoothing: f64,
    /// How many views of each image an epoch's shuffle holds (repeated augmentation); 1 is none.
    pub repeats: usize,
}

impl BatchRecipe {
    /// What mixes the batch, if anything does. Errs on a parameter that [`BatchMix`] does not take.
    pub fn mix(&self) -> Result<Option<BatchMix>, Error> {
        Ok(match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) => Some(BatchMix::mixup(self.mixup)?.or_cutmix(self.cutmix, 0.5)?),
            (true, false) => Some(BatchMix::mixup(self.mixup)?),
            (false, true) => Some(BatchMix::cutmix(self.cutmix)?),
            (false, false) => None,
        })
    }
}

impl Preset {
    /// How many views are taken from an image.
    #[must_use]
    pub fn view_count(&self) -> usize {
        self.views.iter().map(|view| view.count).sum()
    }
}

/// The steps of a table, one line each.
impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.source)?;
        for view in &self.views {
            writeln!(f, "{} view{}", view.count, if view.count == 1 { "" } else { "s" })?;
            for step in &view.steps {
                writeln!(f, "  {}", step.to_string().trim_end())?;
            }
        }
        let Some(BatchRecipe { mixup, cutmix, label_smoothing, repeats }) = self.batch else {
            return Ok(());
        };
        writeln!(f, "batch")?;
        writeln!(
            f,
            "  mixup {mixup}, CutMix {cutmix}, label smoothing {label_smoothing}, {repeats} views of each image"
        )
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
