//! The loader of a run, and the views that it makes in each epoch.

use super::RunOptions;
use super::state::Run;
use crate::recipe::BadSample;
use crate::{Error, Recipe};
use std::sync::Arc;
use visrep_data::{Dataset, Loader, LoaderOptions, OnBadSample};
use visrep_methods::Method;

/// Shuffled batches of one size, with the recipe's views at their full size.
pub(super) fn loader(
    recipe: &Recipe,
    method: &dyn Method,
    data: Arc<dyn Dataset>,
    options: &RunOptions,
) -> Result<Loader, Error> {
    let views = recipe.views.views(method, data.as_ref())?;
    let options = LoaderOptions {
        batch_size: recipe.loader.batch_size,
        workers: options.workers.max(1),
        shuffle: true,
        seed: options.seed,
        drop_last: true,
        on_bad_sample: match recipe.loader.on_bad_sample {
            BadSample::Fail => OnBadSample::Fail,
            BadSample::Skip => OnBadSample::Skip,
        },
        ..LoaderOptions::default()
    };
    Ok(Loader::new(data, views, options)?)
}

impl Run<'_> {
    /// Gives the loader the views of `epoch`; their side where it is another one than before.
    pub(super) fn fit_views(&mut self, epoch: u64) -> Result<Option<u32>, Error> {
        let images = (self.recipe.loader.batch_size * self.accumulate) as u64;
        let views = &self.recipe.views;
        let side = views.size_at(epoch * self.per_epoch, |length| length.steps(self.per_epoch, images));
        if side == self.side {
            return Ok(None);
        }
        let views = views.with_size(side).views(self.method.as_ref(), self.loader.dataset().as_ref())?;
        self.loader = self.loader.with_views(views)?;
        self.side = side;
        Ok(Some(side))
    }
}
