//! Several images made of each one of a set, which a network sees one after the other.

use rand::RngExt as _;
use std::sync::Arc;
use visrep_augment::{Op, RgbImage, Rng, Transform, View, view_rng};
use visrep_data::{Batch, ImageBatch};

type Make = dyn Fn(&RgbImage, &mut Rng) -> Vec<RgbImage> + Send + Sync;

/// What makes `count` squares of `side` pixels of an image, which is decoded once for all. They travel as one tall image.
#[derive(Clone)]
pub(super) struct Panels {
    count: usize,
    side: u32,
    make: Arc<Make>,
}

impl Panels {
    /// `make` gives, for a decoded image, exactly `count` squares of `side` pixels; what it draws depends on the loader's seed and the
    /// image's place in the set alone.
    pub(super) fn new(
        count: usize,
        side: u32,
        make: impl Fn(&RgbImage, &mut Rng) -> Vec<RgbImage> + Send + Sync + 'static,
    ) -> Self {
        Self { count, side, make: Arc::new(make) }
    }

    /// How many are made of each image.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A loaded batch of tall images as one of squares: all of the first image, then all of the second. Labels, keys and indices stay those
    /// of the images.
    pub(super) fn apart(&self, batch: Batch) -> Batch {
        let apart = |view: ImageBatch| ImageBatch { n: view.n * self.count, height: self.side, ..view };
        Batch { views: batch.views.into_iter().map(apart).collect(), ..batch }
    }
}

impl Transform for Panels {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (make, seed) = (Arc::clone(&self.make), rng.random::<u64>());
        let (side, height) = (self.side, self.side * self.count as u32);
        view.push(Op::custom("panels", Some((side, height)), move |image| {
            let mut tall = RgbImage::filled(side, height, [0; 3]);
            let panels = make(&image, &mut view_rng(seed, 0, 0, 0));
            let size = side as usize * side as usize * 3;
            for (place, panel) in tall.data_mut().chunks_exact_mut(size).zip(panels) {
                place.copy_from_slice(panel.data());
            }
            tall
        }));
    }
}
