//! Parameters that make no sense are refused with a message that names them.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use visrep_augment::{
    AugMix, AugMixOps, BatchMix, BlurMethod, Border, CenterCrop, ColorJitter, ConvKernel, CropPlace, Cutout,
    Displacement, ElasticTransform, Filter, FiveCrop, FreqAug, GaussianBlur, GridMask, MAX_SIDE, Padding,
    PlacedCrop, PureNoise, RandomAffine, RandomApply, RandomConv, RandomCrop, RandomGrayscale,
    RandomHorizontalFlip, RandomPerspective, RandomResizedCrop, RandomRotation, RandomShift,
    RandomVerticalFlip, Resize, RgbImage, Solarize, TenCrop, TfBrightness, TfColorJitter, adjust_brightness,
    adjust_contrast, adjust_hue, adjust_saturation, gaussian_blur, mixup, pillow_blur, presets, resize,
    resize_box,
};

macro_rules! refused {
    ($($make:expr => $message:literal),* $(,)?) => {$(
        match $make {
            Ok(_) => panic!("{} was accepted", stringify!($make)),
            Err(error) => assert_eq!(error.to_string(), $message),
        }
    )*};
}

#[test]
fn each_message_names_the_parameter_and_what_is_allowed() {
    let crop = || RandomResizedCrop::new(8).unwrap();
    let kernel = |size| BlurMethod::Kernel { size, border: Border::Zero };
    refused! {
        Resize::exact(0, 4, Filter::Box) => "Resize width must be between 1 and 65535 pixels, found 0",
        Resize::exact(4, 70_000, Filter::Box) => "Resize height must be between 1 and 65535 pixels, found 70000",
        Resize::shortest_edge(0, Filter::Box) => "Resize size must be between 1 and 65535 pixels, found 0",
        CenterCrop::new(0) => "CenterCrop size must be between 1 and 65535 pixels, found 0",
        RandomResizedCrop::new(0) => "RandomResizedCrop size must be between 1 and 65535 pixels, found 0",
        crop().scale(0.9..=0.1) =>
            "RandomResizedCrop scale must be a range of finite numbers, low to high, found 0.9..=0.1",
        crop().scale(-0.1..=1.0) => "RandomResizedCrop scale must be between 0 and 1, found -0.1",
        crop().scale(0.1..=1.5) => "RandomResizedCrop scale must be between 0 and 1, found 1.5",
        crop().ratio(f64::NAN..=1.0) =>
            "RandomResizedCrop ratio must be a range of finite numbers, low to high, found NaN..=1",
        crop().ratio(0.0..=1.0) => "RandomResizedCrop ratio must be between 0.001 and 1000, found 0",
        RandomHorizontalFlip::new(1.1) => "RandomHorizontalFlip p must be between 0 and 1, found 1.1",
        RandomGrayscale::new(f64::NAN) => "RandomGrayscale p must be between 0 and 1, found NaN",
        RandomApply::new(Solarize::new(1).unwrap(), -0.5) => "RandomApply p must be between 0 and 1, found -0.5",
        ColorJitter::new(-1.0, 0.0, 0.0, 0.0) => "ColorJitter brightness must be between 0 and 1000, found -1",
        ColorJitter::new(0.0, f64::NAN, 0.0, 0.0) => "ColorJitter contrast must be between 0 and 1000, found NaN",
        ColorJitter::new(0.0, 0.0, f64::INFINITY, 0.0) =>
            "ColorJitter saturation must be between 0 and 1000, found inf",
        ColorJitter::new(0.0, 0.0, 0.0, 0.6) => "ColorJitter hue must be between 0 and 0.5, found 0.6",
        GaussianBlur::new(kernel(4), 0.1..=2.0) => "GaussianBlur kernel size must be odd, found 4",
        GaussianBlur::new(kernel(3), 0.0..=2.0) => "GaussianBlur sigma must be between 0.000001 and 1000, found 0",
        GaussianBlur::new(BlurMethod::Pillow, 2.0..=0.1) =>
            "GaussianBlur sigma must be a range of finite numbers, low to high, found 2..=0.1",
        Solarize::new(257) => "Solarize threshold must be between 0 and 256, found 257",
        presets::simclr(0, 1.0, true) => "simclr size must be between 1 and 65535 pixels, found 0",
        presets::simclr(32, 2.6, true) => "simclr strength must be between 0 and 2.5, found 2.6",
        presets::eval(256, 0, Filter::Bilinear) => "CenterCrop size must be between 1 and 65535 pixels, found 0",
    }
}

#[test]
fn transforms_that_warp_name_the_parameter() {
    let affine = || RandomAffine::new(0.0..=0.0).unwrap();
    refused! {
        RandomAffine::new(5.0..=-5.0) =>
            "RandomAffine degrees must be a range of finite numbers, low to high, found 5..=-5",
        RandomAffine::new(0.0..=4000.0) => "RandomAffine degrees must be between -3600 and 3600, found 4000",
        affine().translate(1.5, 0.0) => "RandomAffine translate x must be between 0 and 1, found 1.5",
        affine().translate(0.0, -0.1) => "RandomAffine translate y must be between 0 and 1, found -0.1",
        affine().scale(0.0..=1.0) => "RandomAffine scale must be between 0.001 and 1000, found 0",
        affine().shear(-90.0..=0.0, 0.0..=0.0) => "RandomAffine shear x must be between -89 and 89, found -90",
        affine().shear(0.0..=0.0, 0.0..=90.0) => "RandomAffine shear y must be between -89 and 89, found 90",
        RandomRotation::new(0.0..=f64::INFINITY) =>
            "RandomRotation degrees must be a range of finite numbers, low to high, found 0..=inf",
        RandomPerspective::new(1.1, 0.5) => "RandomPerspective distortion must be between 0 and 1, found 1.1",
        RandomPerspective::new(0.5, f64::NAN) => "RandomPerspective p must be between 0 and 1, found NaN",
        ElasticTransform::new((-1.0, 0.0), (0.0, 0.0)) =>
            "ElasticTransform alpha x must be between 0 and 100000, found -1",
        ElasticTransform::new((0.0, f64::NAN), (0.0, 0.0)) =>
            "ElasticTransform alpha y must be between 0 and 100000, found NaN",
        ElasticTransform::new((1.0, 1.0), (1001.0, 0.0)) =>
            "ElasticTransform sigma x must be between 0 and 1000, found 1001",
        ElasticTransform::new((1.0, 1.0), (0.0, -2.0)) =>
            "ElasticTransform sigma y must be between 0 and 1000, found -2",
        Displacement::new(3, 2, vec![0.0; 5], vec![0.0; 6]) =>
            "Displacement right must be 3x2 values, at least one, found 5",
        Displacement::new(3, 2, vec![0.0; 6], vec![0.0; 7]) =>
            "Displacement down must be 3x2 values, at least one, found 7",
        Displacement::new(0, 2, vec![], vec![]) =>
            "Displacement right must be 0x2 values, at least one, found 0",
        RandomVerticalFlip::new(-0.1) => "RandomVerticalFlip p must be between 0 and 1, found -0.1",
    }
}

#[test]
fn crops_and_sizes_name_the_parameter() {
    let image = RgbImage::filled(4, 3, [0; 3]);
    refused! {
        Resize::longest_edge(0, Filter::Box) => "Resize size must be between 1 and 65535 pixels, found 0",
        Resize::multiple_of(70_000, Filter::Box) =>
            "Resize patch must be between 1 and 65535 pixels, found 70000",
        RandomCrop::new(0) => "RandomCrop size must be between 1 and 65535 pixels, found 0",
        RandomCrop::new(8).unwrap().padding(70_000, Padding::Edge) =>
            "RandomCrop padding must be between 0 and 65535, found 70000",
        RandomShift::new(70_000, Padding::Edge) => "RandomShift pixels must be between 0 and 65535, found 70000",
        PlacedCrop::new(0, CropPlace::Center) => "PlacedCrop size must be between 1 and 65535 pixels, found 0",
        FiveCrop::new(0) => "FiveCrop size must be between 1 and 65535 pixels, found 0",
        TenCrop::new(65_536) => "TenCrop size must be between 1 and 65535 pixels, found 65536",
        resize_box(&image, [3.0, 0.0, 2.0, 3.0], 2, 2, Filter::Box) =>
            "resize_box left must be between 0 and 1.9999999999999998, found 3",
        resize_box(&image, [0.0, 0.0, 4.5, 3.0], 2, 2, Filter::Box) =>
            "resize_box right must be between 0 and 4, found 4.5",
    }
}

#[test]
fn filters_mixes_and_masks_name_the_parameter() {
    let conv = RandomConv::new;
    let image = RgbImage::filled(4, 3, [0; 3]);
    refused! {
        mixup(&mut image.clone(), &image, 1.5) => "mixup lambda must be between 0 and 1, found 1.5",
        mixup(&mut image.clone(), &RgbImage::filled(4, 4, [0; 3]), 0.5) =>
            "mixup other image must be of the same size, 4x3, found 4x4",
        BatchMix::cutmix(0.0) => "cutmix alpha must be between 0.001 and 1000, found 0",
        BatchMix::cutmix_minmax(0.5..=0.2) =>
            "cutmix_minmax must be a range of finite numbers, low to high, found 0.5..=0.2",
        BatchMix::fmix(1.0, 11.0, 0.0) => "fmix decay must be between 0 and 10, found 11",
        BatchMix::mixup(1.0).unwrap().or_cutmix(1.0, 1.5) => "BatchMix switch must be between 0 and 1, found 1.5",
        BatchMix::mixup(1.0).unwrap().p(-1.0) => "BatchMix p must be between 0 and 1, found -1",
        ConvKernel::new(4, vec![0.0; 144]) => "ConvKernel size must be odd, found 4",
        ConvKernel::new(17, vec![0.0; 2601]) => "ConvKernel size must be between 1 and 15, found 17",
        conv().sizes(&[]) => "RandomConv number of sizes must be between 1 and 8, found 0",
        conv().alpha(0.0..=1.5) => "RandomConv alpha must be between 0 and 1, found 1.5",
        conv().normalization([2.0; 3], [1.0; 3]) => "RandomConv mean must be between 0 and 1, found 2",
        conv().normalization([0.0; 3], [0.0; 3]) => "RandomConv std must be between 0.001 and 1, found 0",
        FreqAug::new(0.01, 1.5) => "FreqAug p must be between 0 and 1, found 1.5",
        FreqAug::band(0.0..=0.9, 0.0..=0.5, true, 0.5) =>
            "FreqAug low edge must be between 0 and 0.75, found 0.9",
        FreqAug::band(0.0..=0.1, 0.0..=0.8, true, 0.5) =>
            "FreqAug high edge must be between 0 and 0.75, found 0.8",
        Cutout::new(16).unwrap().holes(0) => "Cutout holes must be between 1 and 1000, found 0",
        GridMask::new(1.5) => "GridMask p must be between 0 and 1, found 1.5",
        GridMask::new(1.0).unwrap().ratio(-0.5) => "GridMask ratio must be between 0 and 1, found -0.5",
        PureNoise::new([2.0; 3], [0.1; 3], 0.5) => "PureNoise mean must be between 0 and 1, found 2",
        PureNoise::new([0.5; 3], [-0.1; 3], 0.5) => "PureNoise std must be between 0 and 1, found -0.1",
        PureNoise::new([0.5; 3], [0.1; 3], 2.0) => "PureNoise p must be between 0 and 1, found 2",
        AugMix::new(AugMixOps::Original).unwrap().mixture_width(0) =>
            "AugMix mixture_width must be between 1 and 100, found 0",
        TfColorJitter::new(-1.0, 0.0, 0.0, 0.0, TfBrightness::Added) =>
            "TfColorJitter brightness must be between 0 and 1000, found -1",
        TfColorJitter::new(0.0, 0.0, 1.5, 0.0, TfBrightness::Added) =>
            "TfColorJitter saturation must be between 0 and 1, found 1.5",
        TfColorJitter::new(0.0, 0.0, 0.0, 0.6, TfBrightness::Added) =>
            "TfColorJitter hue must be between 0 and 0.5, found 0.6",
    }
}

#[test]
fn the_longer_edge_is_rounded_down_and_bounded() {
    let resize = Resize::shortest_edge(256, Filter::Bilinear).unwrap();
    assert_eq!(resize.output_size(500, 375), (341, 256));
    assert_eq!(resize.output_size(375, 500), (256, 341));
    assert_eq!(resize.output_size(100, 100), (256, 256));
    assert_eq!(resize.output_size(1, 1_000_000), (256, MAX_SIDE));
}

#[test]
fn pure_functions_take_any_number() {
    let mut image = RgbImage::from_fn(7, 5, |x, y| [x as u8 * 30, y as u8 * 50, 77]);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 0.0, 1e300] {
        adjust_brightness(&mut image, value);
        adjust_contrast(&mut image, value);
        adjust_saturation(&mut image, value);
        adjust_hue(&mut image, value);
        pillow_blur(&mut image, value);
        gaussian_blur(&mut image, 9, value, Border::Reflect);
        gaussian_blur(&mut image, u32::MAX, value, Border::Zero);
    }
    let sides = resize(&image, 0, 3, Filter::Lanczos);
    assert_eq!((sides.width(), sides.height()), (1, 3));
}
