//! Microseconds per call of every operation on a 224x224 image, on one core: the fastest of many calls.
//!
//!     cargo run -p visrep-augment --example op_speed [NAME…]   # those whose name contains one of the words

#![allow(clippy::unwrap_used)] // an example may panic

use std::hint::black_box;
use std::time::{Duration, Instant};
use visrep_augment::*;

type Run = Box<dyn Fn(&RgbImage) -> RgbImage>;

fn in_place(name: &'static str, run: impl Fn(&mut RgbImage) + 'static) -> (&'static str, Run) {
    let on_a_copy = move |image: &RgbImage| {
        let mut copy = image.clone();
        run(&mut copy);
        copy
    };
    (name, Box::new(on_a_copy))
}

/// A hundred draws of a random transform: its time is theirs together.
fn random(name: &'static str, transform: impl Transform + 'static) -> (&'static str, Run) {
    let draws = move |image: &RgbImage| {
        let draw = |index| transform.apply(image.clone(), &mut view_rng(0, 0, index, 0));
        (0..99).for_each(|index| drop(black_box(draw(index))));
        draw(99)
    };
    (name, Box::new(draws))
}

/// Names and functions, one line each.
fn operations() -> Vec<(&'static str, Run)> {
    let turned = affine_matrix(15.0, (5.0, -3.0), 1.1, (4.0, 2.0), (112.0, 112.0));
    let large = RgbImage::from_fn(310, 300, |x, y| [(x * y) as u8, (x + y) as u8, (x ^ y) as u8]);
    let bent = [0.9, 0.2, 5.0, -0.2, 0.9, 7.0, 0.0005, 0.0003];
    let copy = large.clone();
    let shrink = move |filter| {
        let large = copy.clone();
        Box::new(move |_: &RgbImage| resize(&large, 224, 224, filter)) as Run
    };
    vec![
        ("resize 310x300 bilinear", shrink(Filter::Bilinear)),
        ("resize 310x300 bicubic", shrink(Filter::Bicubic)),
        ("resize 310x300 lanczos", shrink(Filter::Lanczos)),
        ("center_crop 256", {
            let large = large.clone();
            Box::new(move |_| center_crop(&large, 224, 224))
        }),
        ("crop_padded reflect", Box::new(|i| crop_padded(i, -4, 3, 224, 224, Padding::Reflect))),
        in_place("flip_horizontal", flip_horizontal),
        in_place("flip_vertical", flip_vertical),
        ("flipped_horizontal", Box::new(flipped_horizontal)),
        ("flipped_vertical", Box::new(flipped_vertical)),
        ("inverted", Box::new(inverted)),
        ("rotate_quarters 1", Box::new(|i| rotate_quarters(i, 1))),
        ("rotate_quarters 2", Box::new(|i| rotate_quarters(i, 2))),
        ("perspective nearest", Box::new(move |i| perspective(i, bent, Filter::Nearest, [0; 3]))),
        ("perspective bilinear", Box::new(move |i| perspective(i, bent, Filter::Bilinear, [0; 3]))),
        ("perspective bicubic", Box::new(move |i| perspective(i, bent, Filter::Bicubic, [0; 3]))),
        ("affine nearest", Box::new(move |i| affine(i, turned, Filter::Nearest, [0; 3]))),
        ("affine bilinear", Box::new(move |i| affine(i, turned, Filter::Bilinear, [0; 3]))),
        ("affine bicubic", Box::new(move |i| affine(i, turned, Filter::Bicubic, [0; 3]))),
        ("rotate nearest", Box::new(|i| rotate(i, 30.0, Filter::Nearest, None, [0; 3]))),
        ("rotate bilinear", Box::new(|i| rotate(i, 30.0, Filter::Bilinear, None, [0; 3]))),
        (
            "elastic 50, 5",
            Box::new(|i| {
                let (alpha, sigma) = ((50.0, 50.0), (5.0, 5.0));
                let (interpolation, fill) = (Filter::Bilinear, [0; 3]);
                Op::Elastic { alpha, sigma, seed: 1, interpolation, fill }.apply(i.clone())
            }),
        ),
        in_place("erase", |i| {
            erase(i, Region { x: 60, y: 50, width: 80, height: 90 }, EraseFill::Color([124, 116, 104]));
        }),
        in_place("gaussian_noise", |i| gaussian_noise(i, 0.1, 1)),
        in_place("random_conv", |i| random_conv(i, &ConvKernel::normal(3, 1), 1.0, [0.0; 3], [1.0; 3])),
        in_place("frequency_filter", |i| frequency_filter(i, Band::high_pass(0.01))),
        in_place("mixup", |i| mixup(i, &i.clone(), 0.3).unwrap()),
        in_place("gaussian_blur 23, 1.2", |i| gaussian_blur(i, 23, 1.2, Border::Reflect)),
        in_place("pillow_blur 1.2", |i| pillow_blur(i, 1.2)),
        in_place("grayscale", grayscale),
        in_place("copy alone", |_| ()),
        in_place("equalize", equalize),
        in_place("autocontrast", |i| autocontrast(i, 0.0)),
        in_place("autocontrast, cutoff 1", |i| autocontrast(i, 1.0)),
        in_place("posterize", |i| posterize(i, 4)),
        in_place("invert", invert),
        in_place("solarize", |i| solarize(i, 128)),
        in_place("solarize_add", |i| solarize_add(i, 54, 128)),
        in_place("adjust_sharpness", |i| adjust_sharpness(i, 1.7)),
        in_place("adjust_brightness", |i| adjust_brightness(i, 1.3)),
        in_place("adjust_contrast", |i| adjust_contrast(i, 1.3)),
        in_place("adjust_saturation", |i| adjust_saturation(i, 1.3)),
        in_place("adjust_hue", |i| adjust_hue(i, 0.1)),
        in_place("colour jitter, Pillow", |i| {
            adjust_brightness(i, 1.3);
            adjust_contrast(i, 0.8);
            adjust_saturation(i, 1.2);
            adjust_hue(i, 0.1);
        }),
        in_place("colour jitter, fused", |i| {
            use ColorStep::{Brightness, Contrast, Hue, Saturation};
            fused_color(i, &[Brightness(1.3), Contrast(0.8), Saturation(1.2), Hue(0.1)]);
        }),
        in_place("colour jitter, TF", |i| {
            use TfColorStep::{Contrast, Hue, Saturation, Scale};
            tf_color_jitter(i, &[Scale(1.3), Contrast(0.8), Saturation(1.2), Hue(0.1)]);
        }),
        random("randaugment 2, 9", RandAugment::new(2, 9).unwrap()),
        random("timm rand-m9-mstd0.5-inc1", TimmAugment::parse("rand-m9-mstd0.5-inc1").unwrap()),
        random("trivialaugment", TrivialAugmentWide::new()),
        random("augmix", AugMix::new(AugMixOps::Original).unwrap()),
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
