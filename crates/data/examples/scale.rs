//! Resident memory and speed by the number of rows.
//!
//! `scale write DIR ROWS SHARDS` writes Parquet files with so many rows, the same thousand images again and again.
//! `scale measure DIR` opens such a folder, reads the labels, and loads 50,000 samples of a shuffled epoch. It prints rows,
//! groups, seconds to open, and the process's resident MiB: after opening, after the labels, at most; and
//! microseconds for each image.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use visrep_augment::Compose;
use visrep_data::{
    ConvertOptions, InMemory, Loader, LoaderOptions, Sample, SampleImage, Subset, Views, convert, open,
};
use visrep_decode::{RgbImage, encode_png};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", folder, rows, shards] => write(Path::new(folder), rows.parse()?, shards.parse()?),
        ["measure", folder] => measure(Path::new(folder)),
        _ => Err("usage: scale write DIR ROWS SHARDS | scale measure DIR".into()),
    }
}

fn write(folder: &Path, rows: usize, shards: usize) -> Outcome {
    let sample = |index: u32| {
        let image =
            RgbImage::from_fn(24, 24, |x, y| [(index * 7) as u8, (x * 9) as u8, (y * 10 + index) as u8]);
        let image = SampleImage::Encoded(encode_png(&image)?.into());
        Ok(Sample { image, label: Some(index), key: format!("{index}.png") })
    };
    let images: Vec<Sample> = (0..1000).map(sample).collect::<Result<_, visrep_decode::Error>>()?;
    let classes = (0..1000).map(|class| format!("class {class}")).collect();
    let data =
        Subset::new(Arc::new(InMemory::new(images, classes)), (0..rows).map(|row| row % 1000).collect());
    let options = ConvertOptions { rows_per_file: rows.div_ceil(shards), ..ConvertOptions::default() };
    convert(&data, folder, &options, |_| ())?;
    Ok(())
}

fn measure(folder: &Path) -> Outcome {
    const LOADED: usize = 50_000;
    let start = Instant::now();
    let data = open(folder)?;
    let seconds = start.elapsed().as_secs_f64();
    let opened = resident("VmRSS")?;
    assert_eq!(data.label(data.len() - 1), Some((data.len() - 1) as u32 % 1000));
    // All labels, one by one: what is kept of them, without the list of all that `labels` gives.
    let labelled = (0..data.len()).filter(|index| data.label(*index).is_some()).count();
    let labels = resident("VmRSS")?;
    let options = LoaderOptions { shuffle: true, ..LoaderOptions::default() };
    let loader = Loader::new(data.clone(), Views::single(Compose::new()), options)?;
    let start = Instant::now();
    let mut loaded = 0;
    for batch in loader.epoch(0, 0) {
        loaded += batch?.labels.len();
        if loaded >= LOADED {
            break;
        }
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / loaded as f64;
    let most = resident("VmHWM")?;
    println!(
        "{labelled} rows, {} groups, {seconds:.2} s to open; MiB resident: {opened} opened, {labels} with labels, {most} at \
         most; {each:.1} us an image",
        data.groups().len()
    );
    Ok(())
}

/// A line of Linux's account of this process, in MiB.
fn resident(name: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>()? / 1024)
}
