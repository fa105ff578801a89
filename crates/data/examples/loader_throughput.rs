//! Images per second of the loader on a folder of images: RandomResizedCrop(224) and a flip, `u8` batches of 64.
//!
//! `loader_throughput DIR [WORKERS [EPOCHS]]` prints one line per epoch: images, seconds of wall time, images/s.
//! `benches/loader/compare.py` runs it beside torchvision's `DataLoader`.

use std::sync::Arc;
use std::time::Instant;
use visrep_augment::{Compose, RandomHorizontalFlip, RandomResizedCrop};
use visrep_data::{ImageFolder, Loader, LoaderOptions, Views};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: loader_throughput DIR [WORKERS [EPOCHS]]")?;
    let workers = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let epochs: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;

    let transform = Compose::new().then(RandomResizedCrop::new(224)?).then(RandomHorizontalFlip::new(0.5)?);
    let options = LoaderOptions { batch_size: 64, workers, shuffle: true, ..LoaderOptions::default() };
    let loader = Loader::new(Arc::new(ImageFolder::open(folder)?), Views::single(transform), options)?;
    for epoch in 0..epochs {
        let start = Instant::now();
        let mut images = 0;
        for batch in loader.epoch(epoch, 0) {
            images += batch?.views[0].n;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{images} {seconds:.4} {:.1}", images as f64 / seconds);
    }
    Ok(())
}
