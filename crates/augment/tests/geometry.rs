//! Warps against Pillow and torchvision on the same parameters (`fixtures/golden/augment/geometry.py`).

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use serde_json::Value;
use std::path::Path;
use visrep_augment::{
    CropSampling, Displacement, ElasticTransform, Filter, FiveCrop, Op, Padding, RandomAffine, RandomCrop,
    RandomPerspective, RandomQuarters, RandomResizedCrop, RandomRotation, RandomShift, RandomVerticalFlip,
    Resize, RgbImage, TenCrop, Transform, View, affine, affine_matrix, crop_padded, elastic, expanded_size,
    five_crop, flip_vertical, perspective, perspective_coefficients, presets, resize_box, rotate,
    rotate_expanded, rotate_quarters, ten_crop, view_rng,
};

const FILL: [u8; 3] = [10, 200, 90];

fn image(tensors: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let &[height, width, 3] = tensor.shape() else { panic!("{name} is not HWC") };
    RgbImage::new(width as u32, height as u32, tensor.data().to_vec()).unwrap()
}

fn filter(name: &str) -> Filter {
    match name {
        "nearest" => Filter::Nearest,
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        "hamming" => Filter::Hamming,
        "box" => Filter::Box,
        "lanczos" => Filter::Lanczos,
        _ => panic!("no filter {name}"),
    }
}

/// Applies the operation that a golden tensor is named after.
fn apply(op: &str, arguments: &[&str], image: &RgbImage) -> RgbImage {
    let numbers: Vec<f64> = arguments[1..].iter().map(|text| text.parse().unwrap()).collect();
    if let ("crop", &[x, y, width, height]) = (op, &numbers[..]) {
        let padding = match arguments[0] {
            "constant" => Padding::Constant(FILL),
            "reflect" => Padding::Reflect,
            _ => Padding::Edge,
        };
        return crop_padded(image, x as i32, y as i32, width as u32, height as u32, padding);
    }
    match (op, &numbers[..]) {
        ("flip_vertical", _) => {
            let mut image = image.clone();
            flip_vertical(&mut image);
            return image;
        }
        ("quarters", &[quarters]) => return rotate_quarters(image, quarters as u32),
        ("five_crop", &[width, height]) => return stacked(&five_crop(image, width as u32, height as u32)),
        ("ten_crop", &[width, height, vertical]) => {
            return stacked(&ten_crop(image, width as u32, height as u32, vertical == 1.0));
        }
        _ => {}
    }
    let kind = filter(arguments[0]);
    match (op, &numbers[..]) {
        ("perspective", coefficients) => perspective(image, coefficients.try_into().unwrap(), kind, FILL),
        ("affine", matrix) => affine(image, matrix.try_into().unwrap(), kind, FILL),
        ("rotate", &[degrees]) => rotate(image, degrees, kind, None, FILL),
        ("rotate", &[degrees, x, y]) => rotate(image, degrees, kind, Some((x, y)), FILL),
        ("rotate_expanded", &[degrees]) => {
            let turned = rotate_expanded(image, degrees, kind, FILL);
            assert_eq!(
                expanded_size(image.width(), image.height(), degrees),
                (turned.width(), turned.height())
            );
            turned
        }
        ("torchvision_affine", &[angle, x, y, scale, shear_x, shear_y]) => {
            let center = (f64::from(image.width()) * 0.5, f64::from(image.height()) * 0.5);
            affine(image, affine_matrix(angle, (x, y), scale, (shear_x, shear_y), center), kind, FILL)
        }
        _ => panic!("no operation {op}"),
    }
}

/// Images of one width, one below the other.
fn stacked(images: &[RgbImage]) -> RgbImage {
    let data: Vec<u8> = images.iter().flat_map(|image| image.data().iter().copied()).collect();
    let height = images.iter().map(RgbImage::height).sum();
    RgbImage::new(images[0].width(), height, data).unwrap()
}

/// The displacement that a golden elastic deformation was made with, in pixels.
fn displacement(tensors: &SafeTensors<'_>, arguments: &[&str], input: &str) -> Displacement {
    let key = format!("displacement {},{}/{input}", arguments[1], arguments[2]);
    let tensor = tensors.tensor(&key).unwrap();
    let &[height, width, 2] = tensor.shape() else { panic!("{key} is no field") };
    let values = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let values: Vec<f32> = values.collect();
    let axis = |axis: usize, len: usize| {
        values.iter().skip(axis).step_by(2).map(|value| value * len as f32 / 2.0).collect()
    };
    Displacement::new(width as u32, height as u32, axis(0, width), axis(1, height)).unwrap()
}

#[test]
fn every_warp_equals_its_peer() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/geometry.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for name in tensors.names() {
        let parts: Vec<&str> = name.split('/').collect();
        let &[op, arguments, input] = &parts[..] else { continue };
        let arguments: Vec<&str> = arguments.split(',').collect();
        let source = image(&tensors, &format!("input/{input}"));
        let ours = if op == "elastic" {
            let fill = if arguments[3] == "1" { FILL } else { [0; 3] };
            let displacement = displacement(&tensors, &arguments, input);
            elastic(&source, &displacement, filter(arguments[0]), fill).unwrap()
        } else {
            apply(op, &arguments, &source)
        };
        let theirs = image(&tensors, name);
        // Positions of single precision, in other units there, may round differently: by a level, seldom.
        let most = u8::from(op == "elastic" && arguments[0] == "bilinear");
        let pairs = || ours.data().iter().zip(theirs.data());
        let unequal = pairs().filter(|(a, b)| a != b).count();
        let too_far = pairs().filter(|(a, b)| a.abs_diff(**b) > most).count();
        if ours.data().len() != theirs.data().len() || too_far > 0 || unequal * 100 > theirs.data().len() {
            wrong.push(format!("{name}: {unequal} of {} values", theirs.data().len()));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "unequal:\n{}", wrong.join("\n"));
    assert!(compared > 100, "only {compared} golden images");
}

#[test]
fn four_quarters_are_none() {
    let image = RgbImage::from_fn(5, 3, |x, y| [x as u8, y as u8, 7]);
    let mut turned = image.clone();
    for _ in 0..4 {
        turned = rotate_quarters(&turned, 1);
    }
    assert_eq!(turned, image);
    assert_eq!(rotate_quarters(&rotate_quarters(&image, 3), 2), rotate_quarters(&image, 1));
}

#[test]
fn warps_take_any_number() {
    for (width, height) in [(1, 1), (1, 9), (9, 1), (17, 2)] {
        let image = RgbImage::from_fn(width, height, |x, y| [x as u8 * 9, y as u8 * 20, 5]);
        for kind in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic] {
            for value in [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0, -0.0] {
                affine(&image, [value; 6], kind, FILL);
                affine(&image, [1.0, 0.0, value, 0.0, 1.0, 0.0], kind, FILL);
                affine(&image, [value, 0.0, 0.0, 0.0, value, 0.0], kind, FILL);
                rotate(&image, value, kind, Some((value, 0.0)), FILL);
                perspective(&image, [value; 8], kind, FILL);
            }
            assert_eq!(affine(&image, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], kind, FILL), image);
        }
    }
}

fn numbers() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/augment/geometry.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn perspective_coefficients_equal_torchvisions() {
    for case in numbers()["perspectives"].as_array().unwrap() {
        let corners = |key: &str| -> [(f64, f64); 4] {
            std::array::from_fn(|i| (case[key][i][0].as_f64().unwrap(), case[key][i][1].as_f64().unwrap()))
        };
        let ours = perspective_coefficients(corners("start"), corners("end")).unwrap();
        for (ours, theirs) in ours.iter().zip(floats(&case["coefficients"])) {
            assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3), "{ours} instead of {theirs}");
        }
    }
    assert_eq!(perspective_coefficients([(0.0, 0.0); 4], [(0.0, 0.0); 4]), None);
}

#[test]
fn crops_are_distributed_as_their_originals() {
    const DRAWS: usize = 40_000;
    for case in numbers()["crops"].as_array().unwrap() {
        let side = |key: &str| case[key].as_u64().unwrap() as u32;
        let range = |key: &str| floats(&case[key])[0]..=floats(&case[key])[1];
        let (width, height) = (side("width"), side("height"));
        let sampling = match case["sampling"].as_str().unwrap() {
            "tensorflow" => CropSampling::TensorFlow,
            "inception" => CropSampling::Inception,
            _ => CropSampling::OneShot,
        };
        let crop = RandomResizedCrop::new(8).unwrap().scale(range("scale")).unwrap();
        let crop = crop.ratio(range("ratio")).unwrap().sampling(sampling);
        let mut rng = view_rng(1, 2, 3, 0);
        let mut drawn: [Vec<f64>; 4] = Default::default();
        for _ in 0..DRAWS {
            let mut view = View::new((width, height));
            crop.draw(&mut view, &mut rng);
            let (region, _) = view.region().unwrap();
            region.check(width, height).unwrap();
            let [x, y, w, h] = [region.x, region.y, region.width, region.height].map(f64::from);
            let (total_w, total_h) = (f64::from(width), f64::from(height));
            let values =
                [w * h / (total_w * total_h), (w / h).ln(), (x + w / 2.0) / total_w, (y + h / 2.0) / total_h];
            drawn.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
        }
        for (key, values) in ["area", "log_ratio", "x", "y"].into_iter().zip(&drawn) {
            for (i, decile) in floats(&case["deciles"][key]).into_iter().enumerate() {
                // Whole pixels make ties: the share below and the share up to the decile enclose its rank.
                let share = |limit: f64| values.iter().filter(|&&v| v <= limit).count() as f64 / DRAWS as f64;
                let rank = (i + 1) as f64 / 10.0;
                // Five standard deviations of the difference of two samples of this size.
                let slack = 5.0 * (rank * (1.0 - rank) * 2.0 / DRAWS as f64).sqrt();
                let (below, up_to) = (share(decile - 1e-6), share(decile + 1e-6));
                assert!(
                    below - slack <= rank && rank <= up_to + slack,
                    "{sampling:?} {width} {key} {rank}: {below}..{up_to}"
                );
            }
        }
    }
}

/// What `transform` draws for an image of `size`, many times.
fn draws(transform: &dyn Transform, size: (u32, u32), count: u64) -> Vec<Op> {
    let mut ops = Vec::new();
    for i in 0..count {
        let mut view = View::new(size);
        transform.draw(&mut view, &mut view_rng(5, 0, i, 0));
        ops.extend_from_slice(view.ops());
    }
    ops
}

/// Each of `0..kinds` is as likely, by chi squared with a chance of error below 1e-6 for up to 100 degrees of freedom.
fn assert_even(drawn: impl Iterator<Item = usize>, kinds: usize) {
    let mut counts = vec![0.0; kinds];
    drawn.for_each(|kind| counts[kind] += 1.0);
    let expected = counts.iter().sum::<f64>() / kinds as f64;
    assert!(expected > 20.0);
    let chi_squared: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
    let freedom = kinds as f64 - 1.0;
    assert!(chi_squared < freedom + 5.0 * (2.0 * freedom).sqrt() + 12.0, "{counts:?}");
}

#[test]
fn places_of_crops_shifts_and_turns_are_even() {
    let crop = RandomCrop::new(32).unwrap().padding(4, Padding::Reflect).unwrap();
    let start = |op: &Op| match *op {
        Op::Crop { x, y, width: 32, height: 32, .. } => ((x + 4) as usize, (y + 4) as usize),
        ref other => panic!("{other:?}"),
    };
    let drawn = draws(&crop, (32, 32), 8000);
    assert_even(drawn.iter().map(|op| start(op).0 * 9 + start(op).1), 81);
    let shift = draws(&RandomShift::new(4, Padding::Edge).unwrap(), (32, 32), 8000);
    assert_even(shift.iter().map(|op| start(op).0 * 9 + start(op).1), 81);
    let turns = draws(&RandomQuarters, (3, 2), 1000);
    assert_even(
        turns.iter().map(|op| if let Op::RotateQuarters { quarters } = op { *quarters as usize } else { 9 }),
        4,
    );
    let flips = draws(&RandomVerticalFlip::new(0.5).unwrap(), (3, 2), 1000).len();
    assert!((400..600).contains(&flips), "{flips} flips");
}

#[test]
fn angles_and_corners_keep_to_their_ranges_and_fill_them() {
    let rotation = draws(&RandomRotation::new(-30.0..=90.0).unwrap(), (9, 9), 4000);
    assert_even(
        rotation.iter().map(|op| {
            if let Op::Rotate { degrees, .. } = op { ((degrees + 30.0) / 6.0) as usize } else { 99 }
        }),
        20,
    );
    // Without turning, leaning and scaling a matrix moves alone, by whole pixels.
    let moved = RandomAffine::new(0.0..=0.0).unwrap().translate(0.1, 0.2).unwrap();
    for op in draws(&moved, (100, 50), 500) {
        let Op::Affine { matrix: [a, b, x, c, d, y], .. } = op else { panic!("{op:?}") };
        assert_eq!([a, b.abs(), c.abs(), d], [1.0, 0.0, 0.0, 1.0]);
        assert!(x.abs() <= 10.0 && y.abs() <= 10.0 && x.fract() == 0.0 && y.fract() == 0.0);
    }
    let scaled = RandomAffine::new(-20.0..=20.0).unwrap().scale(0.5..=2.0).unwrap();
    let scaled = scaled.shear(-10.0..=10.0, 0.0..=5.0).unwrap();
    assert_even(
        draws(&scaled, (64, 48), 4000).iter().map(|op| match op {
            // The determinant is that of the scale alone.
            Op::Affine { matrix: [a, b, _, c, d, _], .. } => {
                (((a * d - b * c).powf(-0.5) - 0.5) * 10.0) as usize
            }
            other => panic!("{other:?}"),
        }),
        15,
    );
    let bent = draws(&RandomPerspective::new(0.5, 0.5).unwrap(), (40, 30), 2000);
    assert!((900..1100).contains(&bent.len()), "{} perspectives", bent.len());
}

#[test]
fn every_transform_takes_every_size() {
    let crop = |sampling| RandomResizedCrop::new(5).unwrap().sampling(sampling);
    let transforms: Vec<Box<dyn Transform>> = vec![
        Box::new(crop(CropSampling::TensorFlow)),
        Box::new(crop(CropSampling::Inception)),
        Box::new(crop(CropSampling::OneShot)),
        Box::new(RandomCrop::new(8).unwrap().padding(2, Padding::Reflect).unwrap()),
        Box::new(RandomShift::new(9, Padding::Constant(FILL)).unwrap()),
        Box::new(RandomAffine::new(-90.0..=90.0).unwrap().filter(Filter::Bicubic, FILL)),
        Box::new(RandomPerspective::new(1.0, 1.0).unwrap()),
        Box::new(RandomQuarters),
        Box::new(ElasticTransform::new((50.0, 50.0), (5.0, 0.0)).unwrap()),
        Box::new(ElasticTransform::new((9e4, 3.0), (0.0, 900.0)).unwrap().filter(Filter::Nearest, FILL)),
        Box::new(FiveCrop::new(7).unwrap().views()[3]),
        Box::new(TenCrop::new(7).unwrap().vertical_flip().views().pop().unwrap()),
        Box::new(Resize::multiple_of(14, Filter::Bilinear).unwrap()),
        Box::new(Resize::longest_edge(9, Filter::Hamming).unwrap()),
    ];
    for (width, height) in [(1, 1), (2, 1), (1, 3), (300, 1), (1, 300), (33, 2)] {
        let image = RgbImage::from_fn(width, height, |x, y| [x as u8, y as u8, 9]);
        for (i, transform) in transforms.iter().enumerate() {
            for index in 0..20 {
                let mut view = View::new((width, height));
                transform.draw(&mut view, &mut view_rng(0, 0, index, i as u64));
                let result = view.apply(image.clone()).unwrap();
                assert_eq!((result.width(), result.height()), view.size());
                let stored = serde_json::to_string(&view).unwrap();
                assert_eq!(serde_json::from_str::<View>(&stored).unwrap(), view, "{stored}");
            }
        }
    }
    let sizes = Resize::multiple_of(14, Filter::Bilinear).unwrap();
    assert_eq!([sizes.output_size(20, 21), sizes.output_size(1, 500)], [(14, 28), (14, 504)]);
    assert_eq!(Resize::longest_edge(100, Filter::Box).unwrap().output_size(30, 400), (7, 100));
}

#[test]
fn regions_that_are_no_region_are_refused() {
    let image = RgbImage::filled(9, 7, FILL);
    for region in [
        [0.0, 0.0, 9.5, 7.0],
        [-0.1, 0.0, 9.0, 7.0],
        [3.0, 1.0, 3.0, 2.0],
        [f64::NAN, 0.0, 9.0, 7.0],
        [5.0, 0.0, 2.0, 7.0],
    ] {
        assert!(resize_box(&image, region, 3, 3, Filter::Bilinear).is_err(), "{region:?}");
    }
    let all = resize_box(&image, [0.0, 0.0, 9.0, 7.0], 3, 2, Filter::Bilinear).unwrap();
    assert_eq!(all, RgbImage::filled(3, 2, FILL));
}

#[test]
fn multi_crop_makes_one_transform_per_view() {
    let group = |count, size, scale| presets::CropGroup { count, size, scale, filter: Filter::Bicubic };
    let groups = [group(2, 24, 0.4..=1.0), group(3, 9, 0.05..=0.4)];
    let mut rests = Vec::new();
    let views = presets::multi_crop(&groups, |view| {
        rests.push(view);
        Ok(visrep_augment::Compose::new())
    });
    let image = RgbImage::from_fn(50, 40, |x, y| [x as u8, y as u8, 1]);
    let sides: Vec<u32> = views
        .unwrap()
        .iter()
        .map(|view| view.apply(image.clone(), &mut view_rng(0, 0, 0, 0)).width())
        .collect();
    assert_eq!((sides, rests), (vec![24, 24, 9, 9, 9], vec![0, 1, 2, 3, 4]));
}

#[test]
fn views_of_several_crops_are_those_of_the_functions() {
    let image = RgbImage::from_fn(21, 13, |x, y| [x as u8 * 9, y as u8 * 7, (x * y) as u8]);
    let mut rng = view_rng(0, 0, 0, 0);
    for size in [5, 13, 30] {
        let five = FiveCrop::new(size).unwrap().views().map(|view| view.apply(image.clone(), &mut rng));
        assert_eq!(five, five_crop(&image, size, size));
        let ten = TenCrop::new(size).unwrap();
        for (ten, vertical) in [(ten.clone(), false), (ten.vertical_flip(), true)] {
            let views: Vec<RgbImage> =
                ten.views().iter().map(|view| view.apply(image.clone(), &mut rng)).collect();
            assert_eq!(views, ten_crop(&image, size, size, vertical));
        }
    }
    // What the image lacks is black, on the side away from the corner.
    let [top_left, _, _, bottom_right, _] = five_crop(&image, 30, 13);
    assert_eq!((top_left.pixel(0, 0), top_left.pixel(29, 0)), (image.pixel(0, 0), [0; 3]));
    assert_eq!((bottom_right.pixel(0, 12), bottom_right.pixel(29, 12)), ([0; 3], image.pixel(20, 12)));
}

#[test]
fn drawn_displacements_are_as_strong_and_as_smooth_as_asked_for() {
    // Smoothing divides the variance of independent numbers by the sum of the squared weights' inverse, 4 pi sigma x sigma y.
    for (alpha, sigma) in
        [((100.0, 60.0), (5.0, 5.0)), ((40.0, 40.0), (2.0, 4.0)), ((30.0, 10.0), (0.0, 0.0))]
    {
        let image = RgbImage::from_fn(256, 256, |x, _| [x as u8; 3]);
        let deviation = |axis: usize| {
            // Shown along each axis, a ramp tells by how much its pixels have moved.
            let ramp = if axis == 0 { image.clone() } else { rotate_quarters(&image, 3) };
            let op = Op::Elastic { alpha, sigma, seed: 7, interpolation: Filter::Bilinear, fill: [0; 3] };
            let moved = op.apply(ramp.clone());
            let inner = (60..196).flat_map(|y| (60..196).map(move |x| (x, y)));
            let squares = inner
                .map(|(x, y)| (f64::from(moved.pixel(x, y)[0]) - f64::from(ramp.pixel(x, y)[0])).powi(2));
            // A twelfth of a level is the rounding's.
            (squares.sum::<f64>() / (136.0 * 136.0) - 1.0 / 12.0).max(0.0).sqrt()
        };
        let smoothing =
            if sigma.0 > 0.0 { 1.0 / (4.0 * std::f64::consts::PI * sigma.0 * sigma.1) } else { 1.0 };
        for (axis, alpha) in [(0, alpha.0), (1, alpha.1)] {
            let expected = alpha / 2.0 * (smoothing / 3.0_f64).sqrt();
            let found = deviation(axis);
            assert!((found / expected - 1.0).abs() < 0.25, "{axis}: {found} instead of {expected}");
        }
    }
    let field = Displacement::random(40, 30, (50.0, 50.0), (5.0, 5.0), 3);
    assert_eq!(field, Displacement::random(40, 30, (50.0, 50.0), (5.0, 5.0), 3));
    assert_ne!(field, Displacement::random(40, 30, (50.0, 50.0), (5.0, 5.0), 4));
}

#[test]
fn displacements_of_another_size_are_refused_and_any_number_is_taken() {
    let message = |result: Result<RgbImage, visrep_augment::Error>| result.unwrap_err().to_string();
    let field = Displacement::random(9, 7, (1.0, 1.0), (1.0, 1.0), 0);
    assert_eq!(
        message(elastic(&RgbImage::filled(9, 8, FILL), &field, Filter::Bilinear, FILL)),
        "elastic image size must be that of the displacement, 9x7, found 9x8"
    );
    for value in [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0] {
        for (alpha, sigma) in [(value, 1.0), (9.0, value)] {
            let op = Op::Elastic {
                alpha: (alpha, alpha),
                sigma: (sigma, sigma),
                seed: 0,
                interpolation: Filter::Bilinear,
                fill: FILL,
            };
            assert_eq!(op.apply(RgbImage::filled(5, 6, FILL)).width(), 5);
        }
    }
}
