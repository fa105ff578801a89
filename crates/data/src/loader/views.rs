//! What is made of each image.

use super::Positives;
use std::sync::Arc;
use visrep_augment::Transform;

/// The transforms that make the views of a sample: one image batch each. The image is decoded once for all, unless
/// [`Self::with_positives`] says otherwise.
#[derive(Clone)]
pub struct Views {
    transforms: Vec<Arc<dyn Transform>>,
    common: Option<Arc<dyn Transform>>,
    positives: Option<Arc<dyn Positives>>,
}

impl Views {
    /// One view.
    pub fn single(transform: impl Transform + 'static) -> Self {
        Self::same(transform, 1)
    }

    /// `count` views by one transform, each with its own random numbers.
    pub fn same(transform: impl Transform + 'static, count: usize) -> Self {
        let transform: Arc<dyn Transform> = Arc::new(transform);
        Self { transforms: vec![transform; count], common: None, positives: None }
    }

    /// A view by each of `transforms`, which may give different sizes (multi-crop).
    pub fn new(transforms: Vec<Box<dyn Transform>>) -> Self {
        let transforms = transforms.into_iter().map(Arc::from).collect();
        Self { transforms, common: None, positives: None }
    }

    /// Every view begins with `transform`, by the same random numbers in all views of a sample: one crop whose colours differ
    /// from view to view.
    #[must_use]
    pub fn with_common(self, transform: impl Transform + 'static) -> Self {
        Self { common: Some(Arc::new(transform)), ..self }
    }

    /// The first view shows the sample itself, every other one a positive, drawn for it afresh. Labels, keys and indices of
    /// a batch are the samples' own.
    #[must_use]
    pub fn with_positives(self, positives: Arc<dyn Positives>) -> Self {
        Self { positives: Some(positives), ..self }
    }

    pub(super) fn common(&self) -> Option<&dyn Transform> {
        self.common.as_deref()
    }

    pub(super) fn positives(&self) -> Option<&dyn Positives> {
        self.positives.as_deref()
    }

    /// The number of views.
    pub fn len(&self) -> usize {
        self.transforms.len()
    }

    /// Whether there are no views.
    pub fn is_empty(&self) -> bool {
        self.transforms.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn Transform> {
        self.transforms.iter().map(AsRef::as_ref)
    }
}
