//! Parameters that make no sense are refused with a message that names them.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use visrep_augment::{
    BlurMethod, Border, CenterCrop, ColorJitter, Filter, GaussianBlur, MAX_SIDE, RandomApply,
    RandomGrayscale, RandomHorizontalFlip, RandomResizedCrop, Resize, RgbImage, Solarize, adjust_brightness,
    adjust_contrast, adjust_hue, adjust_saturation, gaussian_blur, pillow_blur, presets, resize,
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
