//! Microseconds per call of every operation on a 224x224 image, on one core: the fastest of many calls.
//!
//!     cargo run -p visrep-augment --example op_speed [NAME…]   # those whose name contains one of the words

#![allow(clippy::unwrap_used)] // an example may panic

use std::hint::black_box;
use std::time::{Duration, Instant};
use visrep_augment::*;

type Run = Box<dyn Fn(&RgbImage) -> RgbImage>;

/// Names and functions, one line each.
fn operations() -> Vec<(&'static str, Run)> {
    let turned = affine_matrix(15.0, (5.0, -3.0), 1.1, (4.0, 2.0), (112.0, 112.0));
    vec![
        ("affine nearest", Box::new(move |i| affine(i, turned, Filter::Nearest, [0; 3]))),
        ("affine bilinear", Box::new(move |i| affine(i, turned, Filter::Bilinear, [0; 3]))),
        ("affine bicubic", Box::new(move |i| affine(i, turned, Filter::Bicubic, [0; 3]))),
        ("rotate nearest", Box::new(|i| rotate(i, 30.0, Filter::Nearest, None, [0; 3]))),
        ("rotate bilinear", Box::new(|i| rotate(i, 30.0, Filter::Bilinear, None, [0; 3]))),
    ]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let image = RgbImage::from_fn(224, 224, |x, y| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
        [(x + noise % 32) as u8, (y / 2 + noise % 64) as u8, (x / 3 + y / 3 + noise % 16) as u8]
    });
    for (name, run) in operations() {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let mut best = Duration::MAX;
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            let start = Instant::now();
            black_box(run(black_box(&image)));
            best = best.min(start.elapsed());
        }
        println!("{name:28} {:9.1}", best.as_secs_f64() * 1e6);
    }
}
