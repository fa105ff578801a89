//! What the suites of this crate share: they find their data, and then measure a model on what was found.

use crate::Error;
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint};
use visrep_models::Model;
use visrep_probe::{Findings, OpenSuite, Suite, SuiteContext, SuiteInfo};

/// A published test set.
pub(super) trait Published: Sync {
    /// Its data, found.
    type Found: Measure + 'static;

    /// See [`Suite::info`].
    fn info(&self) -> SuiteInfo;

    /// See [`Suite::tasks`].
    fn tasks(&self) -> Vec<String> {
        Vec::new()
    }

    /// See [`Suite::open`].
    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Self::Found, Error>;
}

/// What was found of a published test set.
pub(super) trait Measure {
    /// Its images.
    fn sets(&self) -> Vec<&Arc<dyn Dataset>>;

    /// Adds to `hash` what the figures depend on beside the images.
    fn beside(&self, _hash: &mut Fingerprint) -> Result<(), Error> {
        Ok(())
    }

    /// See [`OpenSuite::run`].
    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error>;
}

/// A published test set as a [`Suite`], whose name its errors bear.
pub(super) struct AsSuite<P>(pub(super) P);

impl<P: Published> Suite for AsSuite<P> {
    fn info(&self) -> SuiteInfo {
        self.0.info()
    }

    fn tasks(&self) -> Vec<String> {
        self.0.tasks()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, visrep_probe::Error> {
        let suite = self.0.info().name;
        let found = self.0.find(root, task, context).map_err(|error| error.of_suite(suite))?;
        Ok(Box::new(Opened { suite, found }))
    }
}

struct Opened<M> {
    suite: &'static str,
    found: M,
}

impl<M: Measure> OpenSuite for Opened<M> {
    fn fingerprint(&self) -> Result<u64, visrep_probe::Error> {
        let mut hash = Fingerprint::new();
        for data in self.found.sets() {
            hash.number(data.fingerprint()?);
        }
        self.found.beside(&mut hash).map_err(|error| error.of_suite(self.suite))?;
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        Fingerprint::of_stamps(self.found.sets())
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, visrep_probe::Error> {
        self.found.measure(model, context).map_err(|error| error.of_suite(self.suite))
    }
}
