//! A tiny dataset and tiny recipes for the tests.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use visrep_data::{InMemory, Sample, SampleImage};
use visrep_decode::RgbImage;
use visrep_train::{Recipe, RunOptions};

/// `n` images of 12 x 12 pixels in three classes: stripes across, stripes down, and a slope.
pub(crate) fn images(n: u32) -> InMemory {
    let sample = |i: u32| {
        let pixel = move |x: u32, y: u32| {
            let value = [x % 4, y % 4, (x + y) / 8][(i % 3) as usize] * 60 + i % 7 * 5;
            [value as u8, (value / 2) as u8, 40]
        };
        Sample {
            image: SampleImage::Decoded(RgbImage::from_fn(12, 12, pixel)),
            label: Some(i % 3),
            key: format!("image-{i}"),
        }
    };
    InMemory::new((0..n).map(sample).collect(), ["across", "down", "slope"].map(str::to_owned).to_vec())
}

/// `name`'s recipe, shrunk: views of 8 pixels, batches of 4, `steps` steps, a line of metrics for every step, and an
/// average.
pub(crate) fn recipe(name: &str, steps: u64) -> Recipe {
    let mut recipe = Recipe::named(name).unwrap();
    let length = format!("schedule.length={steps} steps");
    for assignment in [
        length.as_str(),
        "schedule.warmup=2 steps",
        "views.size=8",
        "loader.batch_size=4",
        "log.every_steps=1",
        "checkpoint.every=1000 steps",
        "ema.decay=0.9",
    ] {
        recipe.set(assignment).unwrap();
    }
    // What asks for more than four images or eight pixels, where a recipe has it.
    let text = recipe.to_toml().unwrap();
    for (key, assignment) in [
        ("batch_norm_splits", "method.batch_norm_splits=2"),
        ("[views.local]", "views.local.size=4"),
        ("frozen_steps", "method.frozen_steps=3"),
        ("queue_length", "method.queue_length=6"),
        ("queue_from_epoch", "method.queue_from_epoch=1"),
    ] {
        if text.contains(key) {
            recipe.set(assignment).unwrap();
        }
    }
    recipe
}

pub(crate) fn options() -> RunOptions {
    RunOptions {
        seed: 5,
        device: tch::Device::Cpu,
        workers: 2,
        stop: Arc::new(AtomicBool::new(false)),
        progress: false,
    }
}
