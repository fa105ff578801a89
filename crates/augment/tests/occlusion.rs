//! What hides and filters images against torchvision, timm and the published formulas (`fixtures/golden/augment/occlusion.py`),
//! and what the transforms of that kind draw.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use std::path::Path;
use std::sync::Arc;
use visrep_augment::{
    Backgrounds, Band, ConvKernel, CutAxis, Cutout, EraseFill, ErasingValue, FreqAug, GaussianNoise,
    GreyBackgrounds, GridMask, GridMode, Mask, Op, PureNoise, RandomBackground, RandomConv, RandomErasing,
    RandomHorizontalFlip, Region, RgbImage, Rng, Transform, View, YouOnlyCutOnce, erase, frequency_filter,
    gaussian_noise, grid_mask, noise_image, open_probability, random_conv, replace_background, view_rng,
};

fn image(tensors: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let &[height, width, 3] = tensor.shape() else { panic!("{name} is not HWC") };
    RgbImage::new(width as u32, height as u32, tensor.data().to_vec()).unwrap()
}

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// Applies the operation that a golden tensor is named after; gives the levels that it may be off by, too.
fn apply(tensors: &SafeTensors<'_>, name: &str, mut image: RgbImage) -> Option<(RgbImage, u8)> {
    let (op, rest) = name.split_once('/')?;
    let (arguments, input) = rest.split_once('/')?;
    let words: Vec<&str> = arguments.split(',').collect();
    let number = |i: usize| words[i].parse::<f64>().unwrap();
    let whole = |i: usize| words[i].parse::<u32>().unwrap();
    let region = |i| Region { x: whole(i), y: whole(i + 1), width: whole(i + 2), height: whole(i + 3) };
    match op {
        "erase" => {
            let color = [whole(4) as u8, whole(5) as u8, whole(6) as u8];
            erase(&mut image, region(0), EraseFill::Color(color));
        }
        "timm_erasing" => {
            for i in (0..words.len()).step_by(4) {
                erase(&mut image, region(i), EraseFill::Color([0; 3]));
            }
        }
        "grid_mask" => {
            let mode = if words[5] == "bars" { GridMode::Bars } else { GridMode::Squares };
            grid_mask(&mut image, whole(0), whole(1), (whole(2), whole(3)), whole(4), mode);
        }
        "random_conv" => {
            let weights = tensors.tensor(&format!("conv_weights/{arguments}/{input}")).unwrap();
            let weights = weights.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            let kernel = ConvKernel::new(whole(0), weights.collect()).unwrap();
            let (mean, std) = if whole(2) == 1 { (MEAN, STD) } else { ([0.0; 3], [1.0; 3]) };
            random_conv(&mut image, &kernel, number(1), mean, std);
            return Some((image, 1));
        }
        "frequency_filter" => {
            frequency_filter(&mut image, Band { low: number(0), high: number(1), remove: whole(2) == 1 });
            return Some((image, 1));
        }
        "halves" => {
            let axis = if words[0] == "height" { CutAxis::Height } else { CutAxis::Width };
            image = Op::Halves { axis, first: vec![], second: vec![Op::FlipHorizontal] }.apply(image);
        }
        _ => return None,
    }
    Some((image, 0))
}

#[test]
fn every_operation_equals_its_peer() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/occlusion.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for name in tensors.names() {
        let input = name.rsplit('/').next().unwrap();
        if !["photo", "noise", "row"].contains(&input) || name.starts_with("input") {
            continue;
        }
        let Some((ours, tolerance)) = apply(&tensors, name, image(&tensors, &format!("input/{input}")))
        else {
            continue;
        };
        let theirs = image(&tensors, name);
        assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()), "{name}");
        let differences: Vec<u8> =
            ours.data().iter().zip(theirs.data()).map(|(a, b)| a.abs_diff(*b)).collect();
        let worst = differences.iter().copied().max().unwrap();
        let unequal = differences.iter().filter(|&&d| d > 0).count();
        // Floats of another width: a value in a hundred at most may round the other way.
        if worst > tolerance || unequal * 100 > differences.len() {
            wrong.push(format!("{name}: {worst} levels, {unequal} of {} values", differences.len()));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "unequal:\n{}", wrong.join("\n"));
    assert!(compared > 50, "only {compared} golden images");
}

fn rng(index: u64) -> Rng {
    view_rng(7, 1, index, 0)
}

fn drawn(transform: &impl Transform, size: (u32, u32), rng: &mut Rng) -> Vec<Op> {
    let mut view = View::new(size);
    transform.draw(&mut view, rng);
    view.ops().to_vec()
}

/// A picture without symmetry and without black.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| [(x % 200) as u8 + 1, (y % 200) as u8 + 1, 255])
}

/// That numbers are uniform over 0..=1: Kolmogorov's bound at a chance of error of 1e-6.
fn assert_uniform(mut numbers: Vec<f64>, what: &str) {
    numbers.sort_unstable_by(f64::total_cmp);
    let n = numbers.len() as f64;
    let distance = numbers.iter().enumerate().map(|(i, u)| (u - (i as f64 + 0.5) / n).abs());
    let distance = distance.fold(0.0, f64::max);
    assert!(distance < 2.7 / n.sqrt(), "{what} is {distance} from uniform");
}

#[test]
fn erased_boxes_have_the_areas_and_ratios_asked_for() {
    let erasing = RandomErasing::new(1.0).unwrap().scale(0.02..=0.1).unwrap().ratio(0.5..=2.0).unwrap();
    let mut rng = rng(0);
    let (mut areas, mut ratios, mut places) = (vec![], vec![], vec![]);
    for _ in 0..8000 {
        let ops = drawn(&erasing, (1000, 800), &mut rng);
        let [Op::Erase { region, fill: EraseFill::Color([0, 0, 0]) }] = ops[..] else { panic!("{ops:?}") };
        let (w, h) = (f64::from(region.width), f64::from(region.height));
        areas.push((w * h / 800_000.0 - 0.02) / 0.08);
        ratios.push(((h / w).ln() - 0.5f64.ln()) / 4f64.ln());
        places.push((f64::from(region.x) + 0.5) / (1001.0 - w));
        assert!(region.check(1000, 800).is_ok());
    }
    assert_uniform(areas, "the area");
    assert_uniform(ratios, "the logarithm of the ratio");
    assert_uniform(places, "the place");

    let rare = RandomErasing::new(0.25).unwrap();
    let count = (0..4000).filter(|_| !drawn(&rare, (50, 50), &mut rng).is_empty()).count();
    assert!((850..1150).contains(&count), "{count} of 4000 erased");
    let several = RandomErasing::timm(1.0, ErasingValue::Constant([1; 3])).unwrap().count(2..=4).unwrap();
    let mut seen = [0; 5];
    (0..3000).for_each(|_| seen[drawn(&several, (300, 300), &mut rng).len()] += 1);
    assert!(seen[..2] == [0, 0] && seen[2..].iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
}

#[test]
fn erased_pixels_are_normal_about_the_mean() {
    let pixel = ErasingValue::Pixel { mean: [0.5, 0.4, 0.6], std: [0.1, 0.05, 0.15] };
    let erasing =
        RandomErasing::new(1.0).unwrap().value(pixel).scale(0.5..=0.5).unwrap().ratio(1.0..=1.0).unwrap();
    let ops = drawn(&erasing, (400, 400), &mut rng(0));
    let [Op::Erase { region, .. }] = ops[..] else { panic!("{ops:?}") };
    let erased = ops[0].apply(picture(400, 400)).crop(region).unwrap();
    assert_eq!(ops[0].apply(picture(400, 400)).crop(region).unwrap(), erased);
    let noise = noise_image(400, 300, [0.5, 0.4, 0.6], [0.1, 0.05, 0.15], 3);
    for image in [erased, noise] {
        for (channel, (mean, std)) in [(0.5, 0.1), (0.4, 0.05), (0.6, 0.15)].into_iter().enumerate() {
            let values: Vec<f64> =
                image.data().iter().skip(channel).step_by(3).map(|&v| f64::from(v) / 255.0).collect();
            let n = values.len() as f64;
            let found = values.iter().sum::<f64>() / n;
            let deviation = (values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / n).sqrt();
            assert!((found - mean).abs() < 5.0 * std / n.sqrt(), "mean {found} for {mean}");
            assert!((deviation - std).abs() < 0.002, "deviation {deviation} for {std}");
        }
    }
    let color = ErasingValue::Color { mean: [0.5; 3], std: [0.1; 3] };
    let erasing = RandomErasing::new(1.0).unwrap().value(color);
    let colors = (0..2000).map(|i| match drawn(&erasing, (90, 90), &mut rng(i))[..] {
        [Op::Erase { fill: EraseFill::Color([red, ..]), .. }] => f64::from(red) / 255.0,
        ref other => panic!("{other:?}"),
    });
    let mean = colors.sum::<f64>() / 2000.0;
    assert!((mean - 0.5).abs() < 5.0 * 0.1 / 2000f64.sqrt(), "mean {mean}");
}

#[test]
fn cutout_is_centred_anywhere_and_cut_off_at_the_edge() {
    let cutout = Cutout::new(16).unwrap().color([9, 8, 7]);
    let mut rng = rng(0);
    let (mut ends, mut whole) = (vec![], 0);
    for _ in 0..6000 {
        let ops = drawn(&cutout, (32, 32), &mut rng);
        let [Op::Erase { region, fill: EraseFill::Color([9, 8, 7]) }] = ops[..] else { panic!("{ops:?}") };
        assert!(region.check(32, 32).is_ok() && region.width >= 8 && region.height >= 8);
        whole += u32::from((region.width, region.height) == (16, 16));
        // The centre, from whichever end is not cut off.
        let center = if region.x > 0 { region.x + 8 } else { region.width - 8 };
        ends.push((f64::from(center) + 0.5) / 32.0);
    }
    assert!(
        (0.23..0.33).contains(&(f64::from(whole) / 6000.0)),
        "{whole} whole squares for (17/32)² of 6000"
    );
    // Thirty-two steps: blurred within their width, they are uniform.
    let steps = (0u32..).map(|i| (f64::from(i * 37 % 101) / 101.0 - 0.5) / 32.0);
    assert_uniform(ends.into_iter().zip(steps).map(|(end, step)| end + step).collect(), "the centre");
    assert_eq!(drawn(&Cutout::new(4).unwrap().holes(3).unwrap(), (32, 32), &mut rng).len(), 3);
}

#[test]
fn grids_are_drawn_within_their_ranges() {
    let grid = GridMask::new(1.0).unwrap().unit(20..=29).unwrap().ratio(0.5).unwrap().mode(GridMode::Bars);
    let mut rng = rng(0);
    let (mut units, mut angles, mut offsets) = ([0; 10], vec![], vec![]);
    for i in 0..5000 {
        let ops = drawn(&grid, (224, 224), &mut rng);
        let [Op::GridMask { unit, bar, offset, degrees, mode: GridMode::Bars }] = ops[..] else {
            panic!("{ops:?}")
        };
        assert!(bar == unit.div_ceil(2) && offset.0 < unit && offset.1 < unit);
        units[unit as usize - 20] += 1;
        let blur = f64::from(i * 37 % 101) / 101.0;
        angles.push((f64::from(degrees) + blur) / 360.0);
        offsets.push((f64::from(offset.0) + blur) / f64::from(unit));
    }
    assert!(units.iter().all(|&n| (390..610).contains(&n)), "{units:?}");
    assert_uniform(angles, "the angle");
    assert_uniform(offsets, "the offset");
    let share = |mode| {
        let mut image = picture(300, 200);
        grid_mask(&mut image, 20, 12, (3, 5), 30, mode);
        image.data().iter().skip(2).step_by(3).filter(|&&v| v == 0).count() as f64 / 60_000.0
    };
    assert!((share(GridMode::Squares) - 0.16).abs() < 0.01);
    assert!((share(GridMode::Bars) + share(GridMode::Squares) - 1.0).abs() < 1e-9);
}

#[test]
fn halves_are_cut_both_ways_and_drawn_for_independently() {
    let yoco = YouOnlyCutOnce::new(RandomHorizontalFlip::new(0.5).unwrap());
    let mut rng = rng(0);
    let mut counts = [0; 8];
    for _ in 0..8000 {
        let ops = drawn(&yoco, (11, 7), &mut rng);
        let [Op::Halves { axis, first, second }] = &ops[..] else { panic!("{ops:?}") };
        counts[usize::from(*axis == CutAxis::Width) * 4 + first.len() * 2 + second.len()] += 1;
    }
    assert!(counts.iter().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    // A half that changes its size fits again.
    let smaller = vec![Op::CenterCrop { width: 2, height: 3 }];
    for axis in [CutAxis::Height, CutAxis::Width] {
        let out = Op::Halves { axis, first: smaller.clone(), second: vec![] }.apply(picture(11, 7));
        assert_eq!((out.width(), out.height()), (11, 7));
        assert_eq!(out.pixel(10, 6), picture(11, 7).pixel(10, 6));
    }
}

#[test]
fn random_convolution_keeps_the_variance_and_mixes() {
    let conv = RandomConv::new().sizes(&[1, 3, 5]).unwrap().alpha(0.0..=1.0).unwrap();
    let mut rng = rng(0);
    let mut alphas = vec![];
    for _ in 0..2000 {
        let ops = drawn(&conv, (9, 9), &mut rng);
        let [Op::RandomConv { size: 1 | 3 | 5, alpha, .. }] = ops[..] else { panic!("{ops:?}") };
        alphas.push(alpha);
    }
    assert_uniform(alphas, "alpha");
    let image = picture(20, 20);
    let mut same = image.clone();
    random_conv(&mut same, &ConvKernel::normal(7, 1), 0.0, MEAN, STD);
    assert_eq!(same, image, "a share of nothing changes nothing");
    let message = ConvKernel::new(3, vec![0.0; 80]).unwrap_err().to_string();
    assert_eq!(message, "ConvKernel number of weights must be between 81 and 81, found 80");
}

#[test]
fn bands_split_an_image() {
    let image = picture(40, 31);
    for cutoff in [0.0, 0.05, 0.2, 0.75] {
        let mut low = image.clone();
        frequency_filter(&mut low, Band::low_pass(cutoff));
        let mut high = image.clone();
        frequency_filter(&mut high, Band::high_pass(cutoff));
        // What clips cannot be added up again.
        let level = 127.5;
        for ((&low, &high), &whole) in low.data().iter().zip(high.data()).zip(image.data()) {
            if (1..255).contains(&low) && (1..255).contains(&high) {
                assert!((f64::from(low) + f64::from(high) - level - f64::from(whole)).abs() <= 1.01);
            }
        }
    }
    let aug = FreqAug::new(0.01, 0.5).unwrap();
    let mut rng = rng(0);
    let drawn = (0..2000)
        .filter(|_| drawn(&aug, (40, 31), &mut rng) == [Op::FrequencyFilter { band: Band::high_pass(0.01) }]);
    assert!((870..1130).contains(&drawn.count()));
}

#[test]
fn the_object_stays_and_the_background_goes() {
    let mask = |image: &RgbImage| {
        let (width, height) = (image.width(), image.height());
        let data = (0..width * height).map(|i| if i % width < width / 2 { 255 } else { 0 }).collect();
        Mask::new(width, height, data).ok()
    };
    let image = picture(8, 5);
    assert_eq!(mask(&image).unwrap().coverage(), 0.5);
    let backgrounds: Vec<RgbImage> = (0..4).map(|i| RgbImage::filled(3, 3, [i * 20; 3])).collect();
    let transform = RandomBackground::new(mask, Arc::new(backgrounds), 1.0).unwrap();
    let mut seen = [0; 4];
    for i in 0..2000 {
        let out = transform.apply(image.clone(), &mut rng(i));
        assert_eq!(out.pixel(3, 2), image.pixel(3, 2));
        seen[usize::from(out.pixel(4, 2)[0] / 20)] += 1;
    }
    assert!(seen.iter().all(|&n| (400..600).contains(&n)), "{seen:?}");
    let mut halfway = image.clone();
    let grey = GreyBackgrounds.get(100, (8, 5));
    replace_background(&mut halfway, &Mask::new(8, 5, vec![51; 40]).unwrap(), &grey).unwrap();
    assert_eq!(halfway.pixel(0, 0), [80, 80, 131]);
    let message =
        replace_background(&mut halfway, &Mask::new(4, 5, vec![1; 20]).unwrap(), &grey).unwrap_err();
    assert_eq!(message.to_string(), "the mask has 4x5 pixels, the image 8x5");
    assert!(RandomBackground::new(mask, Arc::new(Vec::<RgbImage>::new()), 1.0).is_err());
}

#[test]
fn noise_is_added_and_replaces() {
    let mut image = RgbImage::filled(200, 200, [128; 3]);
    gaussian_noise(&mut image, 0.1, 4);
    let values: Vec<f64> = image.data().iter().map(|&v| f64::from(v) - 128.0).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    assert!(mean.abs() < 0.4 && (deviation - 25.5).abs() < 0.4, "{mean} {deviation}");
    assert!((open_probability(10, 1000, 1.0 / 3.0) - 0.33).abs() < 1e-12);
    assert_eq!((open_probability(1000, 1000, 1.0 / 3.0), open_probability(0, 0, 0.5)), (0.0, 0.0));
    let open = PureNoise::new(MEAN, STD, 0.3).unwrap();
    let mut rng = rng(0);
    let noise = (0..3000).filter(|_| !drawn(&open, (4, 4), &mut rng).is_empty()).count();
    assert!((770..1030).contains(&noise), "{noise}");
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let message = |error: Result<(), visrep_augment::Error>| error.unwrap_err().to_string();
    let erasing = || RandomErasing::new(0.5).unwrap();
    for (found, expected) in [
        (RandomErasing::new(1.5).map(drop), "RandomErasing p must be between 0 and 1, found 1.5"),
        (erasing().scale(0.1..=2.0).map(drop), "RandomErasing scale must be between 0 and 1, found 2"),
        (erasing().ratio(0.0..=2.0).map(drop), "RandomErasing ratio must be between 0.001 and 1000, found 0"),
        (erasing().count(0..=2).map(drop), "RandomErasing count must be between 1 and 1000, found 0"),
        (Cutout::new(0).map(drop), "Cutout length must be between 1 and 65535 pixels, found 0"),
        (
            GridMask::new(1.0).unwrap().unit(std::ops::RangeInclusive::new(9, 3)).map(drop),
            "GridMask unit must be a range, low to high, found 9..=3",
        ),
        (
            GridMask::new(1.0).unwrap().rotate(0).map(drop),
            "GridMask rotate must be between 1 and 360, found 0",
        ),
        (RandomConv::new().sizes(&[4]).map(drop), "RandomConv size must be odd, found 4"),
        (FreqAug::new(0.9, 0.5).map(drop), "FreqAug cutoff must be between 0 and 0.75, found 0.9"),
        (GaussianNoise::new(-0.1).map(drop), "GaussianNoise std must be between 0 and 1, found -0.1"),
        (
            Mask::new(2, 2, vec![0]).map(drop),
            "Mask data must be the 4 values of 2x2 pixels, at least one, found 1",
        ),
    ] {
        assert_eq!(message(found), expected);
    }
}

#[test]
fn every_size_passes_and_views_are_stored_and_replayed() {
    let pixel = ErasingValue::Pixel { mean: MEAN, std: STD };
    let transforms: Vec<Box<dyn Transform>> = vec![
        Box::new(RandomErasing::timm(1.0, pixel).unwrap().count(1..=3).unwrap()),
        Box::new(Cutout::new(5).unwrap()),
        Box::new(GridMask::new(1.0).unwrap().unit(1..=9).unwrap()),
        Box::new(YouOnlyCutOnce::new(RandomHorizontalFlip::new(1.0).unwrap())),
        Box::new(RandomConv::new().sizes(&[15]).unwrap()),
        Box::new(FreqAug::band(0.0..=0.1, 0.1..=0.5, false, 1.0).unwrap()),
        Box::new(GaussianNoise::new(0.3).unwrap()),
        Box::new(PureNoise::new(MEAN, STD, 1.0).unwrap()),
    ];
    for size in [(1, 1), (2, 1), (1, 3), (400, 1), (1, 401), (33, 2), (65_535, 1)] {
        for transform in &transforms {
            for i in 0..if size.0 > 1000 { 1 } else { 12 } {
                let mut view = View::new(size);
                transform.draw(&mut view, &mut rng(i));
                let read: View = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
                assert_eq!(read, view);
                let applied = transform.apply(picture(size.0, size.1), &mut rng(i));
                assert_eq!((applied.width(), applied.height()), size);
                assert_eq!(read.apply(picture(size.0, size.1)).unwrap(), applied);
            }
        }
    }
    // Stored parameters may be anything.
    let outside = Region { x: u32::MAX, y: 3, width: u32::MAX, height: 1 };
    for op in [
        Op::Erase {
            region: outside,
            fill: EraseFill::Noise { mean: [f64::NAN; 3], std: [-1.0; 3], seed: 0 },
        },
        Op::GridMask {
            unit: 0,
            bar: u32::MAX,
            offset: (9, u32::MAX),
            degrees: u32::MAX,
            mode: GridMode::Bars,
        },
        Op::GridMask { unit: u32::MAX, bar: 3, offset: (u32::MAX, 1), degrees: 9, mode: GridMode::Squares },
        Op::RandomConv { size: u32::MAX, alpha: f64::NAN, mean: [f64::NAN; 3], std: [0.0; 3], seed: 0 },
        Op::FrequencyFilter { band: Band { low: f64::NAN, high: f64::INFINITY, remove: true } },
        Op::GaussianNoise { std: f64::INFINITY, seed: 0 },
    ] {
        let out = op.apply(picture(9, 5));
        assert_eq!((out.width(), out.height()), (9, 5));
    }
}
