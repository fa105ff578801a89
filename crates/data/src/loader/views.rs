//! What is made of each image.

use std::sync::Arc;
use visrep_augment::Transform;

/// The transforms that make the views of a sample: one image batch each. The image is decoded once for all.
#[derive(Clone)]
pub struct Views {
    transforms: Vec<Arc<dyn Transform>>,
}

impl Views {
    /// One view.
    pub fn single(transform: impl Transform + 'static) -> Self {
        Self::same(transform, 1)
    }

    /// `count` views by one transform, each with its own random numbers.
    pub fn same(transform: impl Transform + 'static, count: usize) -> Self {
        let transform: Arc<dyn Transform> = Arc::new(transform);
        Self { transforms: vec![transform; count] }
    }

    /// A view by each of `transforms`, which may give different sizes (multi-crop).
    pub fn new(transforms: Vec<Box<dyn Transform>>) -> Self {
        Self { transforms: transforms.into_iter().map(Arc::from).collect() }
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
