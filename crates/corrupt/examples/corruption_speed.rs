//! What corruptions cost on one thread, a line each: name, severity, microseconds of wall time per image (for each image
//! the fastest repetition, then the mean over the images), microseconds of processor time per image (the mean over all).
//!
//! `cargo run -p visrep-corrupt --example corruption_speed -- [--images FILE] [--repetitions N] [NAME ...]`
//!
//! FILE holds 224 x 224 pixels of interleaved 8-bit RGB per image, without a header; without it, a drawn picture is used.
//! A NAME is a corruption's, or `imagenet_c`: all 15 at all severities with a JPEG file of quality 85 of each result,
//! as the mean per result, and the core-hours that 50,000 images of 75 results would take.

use std::time::Instant;

use visrep_corrupt::{Corruption, Corruptor, Scale, Severity, encode_jpeg, keyed_seed};
use visrep_decode::RgbImage;

type AnyError = Box<dyn std::error::Error>;

const SIDE: u32 = 224;

fn main() -> Result<(), AnyError> {
    let (mut images, mut repetitions, mut names) = (vec![drawn()], 8, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--images" => images = read(&value()?)?,
            "--repetitions" => repetitions = value()?.parse()?,
            _ => names.push(argument),
        }
    }
    let everything = names.is_empty();
    let corruptor = Corruptor::new(Scale::ImageNet224);
    for corruption in Corruption::ALL {
        if !everything && !names.iter().any(|name| name == corruption.name()) {
            continue;
        }
        for severity in Severity::ALL {
            let (wall, cpu) = measure(&images, repetitions, |image, seed| {
                corruptor.corrupt(image, corruption, severity, seed)?;
                Ok(())
            })?;
            println!("{corruption} {severity} {wall:.1} {cpu:.1}");
        }
    }
    if everything || names.iter().any(|name| name == "imagenet_c") {
        let (wall, cpu) = measure(&images, repetitions.min(3), |image, seed| {
            for corruption in Corruption::BENCHMARK {
                for severity in Severity::ALL {
                    let seed = keyed_seed("image", corruption, severity, seed);
                    encode_jpeg(&corruptor.corrupt(image, corruption, severity, seed)?, 85)?;
                }
            }
            Ok(())
        })?;
        println!("imagenet_c - {:.1} {:.1}", wall / 75.0, cpu / 75.0);
        println!("core_hours - {:.3} {:.3}", wall * 50_000.0 / 3.6e9, cpu * 50_000.0 / 3.6e9);
    }
    Ok(())
}

/// Wall time and processor time per image in microseconds.
fn measure(
    images: &[RgbImage],
    repetitions: u64,
    mut work: impl FnMut(&RgbImage, u64) -> Result<(), AnyError>,
) -> Result<(f64, f64), AnyError> {
    work(&images[0], 0)?;
    let mut best = vec![f64::INFINITY; images.len()];
    let start = processor_time()?;
    for seed in 0..repetitions {
        for (image, best) in images.iter().zip(&mut best) {
            let start = Instant::now();
            work(image, seed)?;
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let cpu = (processor_time()? - start) / (repetitions * images.len() as u64) as f64;
    Ok((best.iter().sum::<f64>() / images.len() as f64 * 1e6, cpu * 1e6))
}

/// Seconds that this thread has run for; NaN where the system does not tell.
fn processor_time() -> Result<f64, AnyError> {
    // Giving the processor up brings the figure up to date.
    std::thread::yield_now();
    let Ok(text) = std::fs::read_to_string("/proc/thread-self/schedstat") else { return Ok(f64::NAN) };
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

fn read(path: &str) -> Result<Vec<RgbImage>, AnyError> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let images =
        bytes.chunks((SIDE * SIDE * 3) as usize).map(|data| RgbImage::new(SIDE, SIDE, data.to_vec()));
    let images: Vec<_> = images.collect::<Result<_, _>>()?;
    if images.is_empty() { Err(format!("{path}: no image").into()) } else { Ok(images) }
}

fn drawn() -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (fx, fy) = (x as f32 / 35.0, y as f32 / 21.0);
        let grain = (x * 7 + y * 13 + x * y) % 17;
        [(fx.sin(), fy.cos()), (fy.sin(), fx.cos()), ((fx + fy).sin(), fx.sin())]
            .map(|(a, b)| (120.0 + 50.0 * a + 50.0 * b) as u8 + grain as u8)
    })
}
