//! Milliseconds per 224 x 224 image for each corruption, the mean of the five severities on one thread.
//!
//! `cargo run -p visrep-corrupt --example corruption_speed`

use std::time::Instant;

use visrep_corrupt::{Corruption, Error, Scale, Severity, corrupt};
use visrep_decode::RgbImage;

fn main() -> Result<(), Error> {
    let image = RgbImage::from_fn(224, 224, |x, y| {
        let (fx, fy) = (x as f32 / 35.0, y as f32 / 21.0);
        let grain = (x * 7 + y * 13 + x * y) % 17;
        [(fx.sin(), fy.cos()), (fy.sin(), fx.cos()), ((fx + fy).sin(), fx.sin())]
            .map(|(a, b)| (120.0 + 50.0 * a + 50.0 * b) as u8 + grain as u8)
    });
    let mut total = 0.0;
    for corruption in Corruption::ALL {
        // The fastest of some repetitions: the least disturbed by whatever else the machine does.
        let mut sum = 0.0;
        for severity in Severity::ALL {
            let mut best = f64::INFINITY;
            for seed in 0..12 {
                let start = Instant::now();
                corrupt(&image, corruption, severity, Scale::ImageNet224, seed)?;
                best = best.min(start.elapsed().as_secs_f64() * 1e3);
            }
            sum += best;
        }
        println!("{corruption:18} {:8.3} ms", sum / 5.0);
        total += sum / 5.0;
    }
    println!("{:18} {total:8.3} ms", "sum");
    Ok(())
}
