//! The loader decodes of a JPEG only what its views need: the same pixels, or with `decode_at_scale` nearly the same.
#![allow(missing_docs, clippy::unwrap_used)]

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_augment::{
    Compose, Filter, RandomHorizontalFlip, RandomResizedCrop, RgbImage, Transform, View, view_rng,
};
use visrep_data::{InMemory, Loader, LoaderOptions, Sample, SampleImage, Views};
use visrep_decode::{DecodeOptions, decode};

const SEED: u64 = 4;

/// The files of a folder of fixtures, and of those within, whose names end so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn all(folder: &Path) -> Vec<PathBuf> {
        let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        paths.flat_map(|path| if path.is_dir() { all(&path) } else { vec![path] }).collect()
    }
    let mut files = all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder));
    files.retain(|path| path.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

/// A file's bytes and its image, if it can be decoded.
fn decodable(bytes: Vec<u8>) -> Option<(Bytes, RgbImage)> {
    let image = decode(&bytes, &DecodeOptions::default()).ok()?;
    Some((bytes.into(), image))
}

/// A photograph as a JPEG file.
fn photograph(path: PathBuf) -> Option<(Bytes, RgbImage)> {
    let (_, image) = decodable(std::fs::read(path).unwrap())?;
    let mut bytes = Vec::new();
    let (width, height) = (image.width() as u16, image.height() as u16);
    Encoder::new(&mut bytes, 90).encode(image.data(), width, height, ColorType::Rgb).unwrap();
    decodable(bytes)
}

/// A crop of so many pixels a side; the whole image for 0.
fn crop(size: u32) -> Compose {
    if size == 0 {
        return Compose::new();
    }
    let crop = RandomResizedCrop::new(size).unwrap().scale(0.2..=0.6).unwrap().filter(Filter::Bilinear);
    Compose::new().then(crop).then(RandomHorizontalFlip::new(0.5).unwrap())
}

/// What a loader makes of the images, and what each view of the whole image gives.
fn both(images: &[(Bytes, RgbImage)], crops: &[u32], at_scale: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let sample = |(index, (bytes, _)): (usize, &(Bytes, RgbImage))| Sample {
        image: SampleImage::Encoded(bytes.clone()),
        label: None,
        key: index.to_string(),
    };
    let data = InMemory::new(images.iter().enumerate().map(sample).collect(), Vec::new());
    let views = crops.iter().map(|&size| Box::new(crop(size)) as Box<dyn Transform>).collect();
    let options = LoaderOptions {
        batch_size: 1,
        workers: 1,
        seed: SEED,
        decode_at_scale: at_scale,
        ..LoaderOptions::default()
    };
    let loader = Loader::new(Arc::new(data), Views::new(views), options).unwrap();
    let mut pairs = Vec::new();
    for (index, (batch, (_, image))) in loader.epoch(0, 0).zip(images).enumerate() {
        for (number, (made, &size)) in batch.unwrap().views.into_iter().zip(crops).enumerate() {
            let mut rng = view_rng(SEED, 0, index as u64, number as u64);
            let mut view = View::new((image.width(), image.height()));
            crop(size).draw(&mut view, &mut rng);
            pairs.push((made.data, view.apply_to(image).unwrap().into_data()));
        }
    }
    assert_eq!(pairs.len(), images.len() * crops.len());
    pairs
}

#[test]
fn the_views_are_those_of_the_whole_image() {
    let bytes = files("awkward", "jpg").into_iter().map(|path| std::fs::read(path).unwrap());
    let images: Vec<_> = bytes.filter_map(decodable).collect();
    assert!(images.len() > 20, "every subsampling and orientation: {}", images.len());
    for crops in [&[9][..], &[16, 7], &[8, 0]] {
        for (made, whole) in both(&images, crops, false) {
            assert!(made == whole);
        }
    }
}

#[test]
fn at_scale_they_are_nearly_those() {
    let images: Vec<_> = files("photos", "png").into_iter().filter_map(photograph).collect();
    assert!(images.len() > 3, "{}", images.len());
    let mean = |(made, whole): &(Vec<u8>, Vec<u8>)| {
        let sum: u32 = made.iter().zip(whole).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / whole.len() as f64
    };
    let means = |crops: &[u32]| -> Vec<f64> { both(&images, crops, true).iter().map(mean).collect() };
    let small = means(&[16, 12]);
    assert!(small.iter().any(|mean| *mean > 0.0), "nothing was decoded at a scale");
    assert!(small.iter().all(|mean| *mean < 3.0), "{small:?}");
    // A view that needs every pixel keeps them for all.
    assert!(means(&[16, 3000]).iter().all(|mean| *mean == 0.0));
}
