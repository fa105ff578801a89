//! Transforms of tensors against the same transforms of 8-bit images, with the same drawn parameters, and torchvision's.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use rand::RngExt as _;
use safetensors::SafeTensors;
use std::path::Path;
use tch::{Device, Kind, Tensor};
use visrep_augment::{
    BatchMix, BlurMethod, Border, ColorJitter, Compose, Cutout, GaussianBlur, MixMode, Op, Pairing,
    RandomApply, RandomErasing, RandomGrayscale, RandomHorizontalFlip, RandomResizedCrop, Region, RgbImage,
    Solarize, Transform, View, tensor, view_rng,
};

const N: usize = 12;

/// Smooth pictures with every colour, each one different.
fn pictures(width: u32, height: u32) -> Vec<RgbImage> {
    let wave = |t: f64| (127.5 + 127.5 * t.sin()) as u8;
    (0..N as u32)
        .map(|i| {
            let phase = f64::from(i);
            RgbImage::from_fn(width, height, |x, y| {
                let (x, y) = (f64::from(x), f64::from(y));
                [
                    wave(x * 0.21 + phase),
                    wave(y * 0.17 - x * 0.05 + phase),
                    wave((x + y) * 0.11 + 2.0 * phase),
                ]
            })
        })
        .collect()
}

fn to_tensor(images: &[RgbImage]) -> Tensor {
    let (width, height) = (i64::from(images[0].width()), i64::from(images[0].height()));
    let data: Vec<u8> = images.iter().flat_map(|image| image.data().iter().copied()).collect();
    let pixels = Tensor::from_slice(&data).view([images.len() as i64, height, width, 3]);
    pixels.permute([0, 3, 1, 2]).contiguous().to_kind(Kind::Float) / 255.0
}

/// The largest difference in levels of 8 bits.
fn levels(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[]) * 255.0
}

/// What `transform` draws for each picture, applied to the pictures and to their batch: the largest difference.
fn difference(transform: &impl Transform) -> f64 {
    let images = pictures(40, 33);
    let views: Vec<View> = (0..N as u64)
        .map(|i| {
            let mut view = View::new((40, 33));
            transform.draw(&mut view, &mut view_rng(5, 0, i, 0));
            view
        })
        .collect();
    assert!(views.iter().any(|view| !view.ops().is_empty()), "nothing is drawn");
    let one_by_one: Vec<RgbImage> =
        views.iter().zip(&images).map(|(view, image)| view.apply(image.clone()).unwrap()).collect();
    let together = tensor::apply_views(&to_tensor(&images), &views).unwrap();
    levels(&together, &to_tensor(&one_by_one))
}

#[test]
fn a_batch_gets_what_its_images_get() {
    let jitter = |b, c, s| ColorJitter::new(b, c, s, 0.0).unwrap();
    let kernel = BlurMethod::Kernel { size: 7, border: Border::Reflect };
    let blur = || GaussianBlur::new(kernel, 0.1..=2.0).unwrap();
    let half = 1.0 + 1e-3;
    assert!(difference(&RandomHorizontalFlip::new(0.5).unwrap()) < 1e-3);
    assert!(difference(&RandomErasing::new(0.7).unwrap().count(1..=2).unwrap()) < 1e-3);
    assert!(difference(&Cutout::new(9).unwrap().color([9, 70, 200])) < 1e-3);
    assert!(difference(&RandomApply::new(Solarize::new(128).unwrap(), 0.5).unwrap()) < 1e-3);
    assert!(difference(&RandomGrayscale::new(0.5).unwrap()) < half);
    assert!(difference(&RandomResizedCrop::new(16).unwrap()) < half);
    assert!(difference(&RandomResizedCrop::new(50).unwrap()) < half);
    assert!(difference(&blur()) < half);
    assert!(difference(&jitter(0.8, 0.0, 0.0)) < half);
    assert!(difference(&jitter(0.0, 0.8, 0.0)) < 2.0);
    assert!(difference(&jitter(0.0, 0.0, 0.8)) < 2.0);
    // A whole recipe in the order that each view draws: an error of one step may be enlarged by the next.
    let recipe = Compose::new()
        .then(RandomResizedCrop::new(24).unwrap())
        .then(RandomHorizontalFlip::new(0.5).unwrap())
        .then(RandomApply::new(jitter(0.4, 0.4, 0.4), 0.8).unwrap())
        .then(RandomGrayscale::new(0.2).unwrap())
        .then(RandomApply::new(blur(), 0.5).unwrap());
    let error = difference(&recipe);
    assert!(error < 6.0, "{error} levels");
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Tensor {
    let tensor = tensors.tensor(name).unwrap();
    let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let shape: Vec<i64> = tensor.shape().iter().map(|&s| s as i64).collect();
    Tensor::from_slice(&values).view(&shape[..]).unsqueeze(0)
}

#[test]
fn hue_blur_and_crop_equal_torchvisions_on_tensors() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/occlusion.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let photo = floats(&tensors, "tensor/input");
    let mut compared = 0;
    for name in tensors.names() {
        let Some((op @ ("tensor_hue" | "tensor_blur" | "tensor_crop"), arguments)) = name.split_once('/')
        else {
            continue;
        };
        let numbers: Vec<f64> = arguments.split(',').map(|a| a.parse().unwrap()).collect();
        let ours = match op {
            "tensor_hue" => tensor::adjust_hue(&photo, &numbers).unwrap(),
            "tensor_blur" => tensor::gaussian_blur(&photo, numbers[0] as u32, &numbers[1..]).unwrap(),
            _ => {
                let [x, y, width, height, size] = [0, 1, 2, 3, 4].map(|i| numbers[i] as u32);
                tensor::resized_crop(&photo, &[Region { x, y, width, height }], size, size).unwrap()
            }
        };
        let error = levels(&ours, &floats(&tensors, name));
        assert!(error < 2e-3, "{name}: {error} levels");
        compared += 1;
    }
    assert_eq!(compared, 10);
}

#[test]
fn mixing_tensors_is_mixing_floats() {
    let images = pictures(20, 15);
    let batch = to_tensor(&images);
    for (mix, i) in [
        BatchMix::mixup(0.8).unwrap(),
        BatchMix::mixup(0.8).unwrap().or_cutmix(1.0, 0.5).unwrap().mode(MixMode::Element),
        BatchMix::fmix(1.0, 3.0, 0.1)
            .unwrap()
            .pairing(Pairing::Shuffle)
            .mode(MixMode::Element)
            .p(0.8)
            .unwrap(),
    ]
    .into_iter()
    .zip(0..)
    {
        let mixing = mix.draw(N, (20, 15), &mut view_rng(0, 0, i, 0));
        let mut floats = Vec::<f32>::try_from(batch.flatten(0, -1)).unwrap();
        mixing.apply_f32(&mut floats).unwrap();
        let theirs = Tensor::from_slice(&floats).view_as(&batch);
        assert!(levels(&tensor::mix(&batch, &mixing).unwrap(), &theirs) < 1e-3);
    }
}

#[test]
fn shifts_repeat_the_edge() {
    let batch = to_tensor(&pictures(11, 9));
    let mut rng = view_rng(0, 0, 0, 0);
    let shifts: Vec<(i32, i32)> =
        (0..N).map(|_| (rng.random_range(-4..=4), rng.random_range(-4..=4))).collect();
    let shifted = tensor::shift(&batch, &shifts).unwrap();
    let padded = batch.replication_pad2d([4, 4, 4, 4]);
    for (i, &(right, down)) in shifts.iter().enumerate() {
        let expected =
            padded.get(i as i64).narrow(1, 4 - i64::from(down), 9).narrow(2, 4 - i64::from(right), 11);
        assert_eq!(levels(&shifted.get(i as i64), &expected), 0.0);
    }
    let far = tensor::shift(&batch, &[(i32::MAX, i32::MIN); N]).unwrap();
    assert_eq!(far.size(), batch.size());
}

#[test]
fn normalisation_and_noise_are_per_channel_and_box() {
    let batch = to_tensor(&pictures(8, 6));
    let mean = [0.485, 0.456, 0.406];
    let std = [0.229, 0.224, 0.225];
    let normalised = tensor::normalize(&batch, mean, std).unwrap();
    for channel in 0..3 {
        let expected = (batch.get(3).get(channel) - mean[channel as usize]) / std[channel as usize];
        assert!((normalised.get(3).get(channel) - expected).abs().max().double_value(&[]) < 1e-5);
    }
    let mut regions = vec![None; N];
    regions[2] = Some(Region { x: 3, y: 1, width: 4, height: 9 });
    let noise = Tensor::ones(batch.size(), (Kind::Float, Device::Cpu)) * 7.0;
    let erased = tensor::erase(&batch, &regions, &noise).unwrap();
    assert_eq!(erased.eq(7.0).sum(Kind::Int64).int64_value(&[]), 4 * 5 * 3);
    assert_eq!(erased.get(2).eq(7.0).sum(Kind::Int64).int64_value(&[]), 4 * 5 * 3);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let batch = to_tensor(&pictures(8, 6));
    let message = |result: Result<Tensor, visrep_augment::Error>| result.unwrap_err().to_string();
    let bytes = batch.to_kind(Kind::Uint8);
    assert_eq!(
        message(tensor::grayscale(&bytes, &[true; N])),
        "images must be float (N, 3, H, W) with at least one pixel, found [12, 3, 6, 8] Uint8"
    );
    assert_eq!(
        message(tensor::adjust_hue(&batch, &[0.1; 5])),
        "adjust_hue turns must be one for each of 12 images, found 5"
    );
    assert_eq!(
        message(tensor::gaussian_blur(&batch, 13, &[1.0; N])),
        "gaussian_blur size must be between 1 and 11, found 13"
    );
    let mut views = vec![View::new((8, 6)); N];
    views[1].push(Op::CenterCrop { width: 2, height: 2 });
    assert!(message(tensor::apply_views(&batch, &views)).contains("CenterCrop"));
    let message = message(tensor::apply_views(&batch, &vec![View::new((9, 6)); N]));
    assert_eq!(message, "the view is drawn for 9x6 pixels, the image has 8x6");
    let empty = batch.narrow(0, 0, 0);
    assert_eq!(tensor::apply_views(&empty, &[]).unwrap().size(), [0, 3, 6, 8]);
}
