//! SI-Score's images beside Pillow's, made by `fixtures/golden/robustness/si_score.py`.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use safetensors::SafeTensors;
use visrep_augment::RgbImage;
use visrep_robustness::si_score::{Layer, Variation, square_background};

#[test]
fn every_image_equals_pillows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/robustness/si_score.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let pixels = |name: &str| {
        let tensor = golden.tensor(name).unwrap();
        let &[height, width, channels] = tensor.shape() else { panic!("{name}") };
        (width as u32, height as u32, channels, tensor.data().to_vec())
    };
    let rgb = |name: &str| {
        let (width, height, _, data) = pixels(name);
        RgbImage::new(width, height, data).unwrap()
    };
    let doubles = |name: &str| -> Vec<f64> {
        let data = golden.tensor(name).unwrap().data().to_vec();
        data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    };
    let (width, height, _, data) = pixels("object");
    let color = data.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
    let alpha = data.as_chunks::<4>().0.iter().map(|p| p[3]).collect();
    let object = Layer::new(RgbImage::new(width, height, color).unwrap(), alpha).unwrap();
    let background = square_background(&rgb("picture"), 40);
    assert_eq!(background, rgb("background"));

    let mut compared = 0;
    for (case, inside) in doubles("cases").chunks_exact(4).zip(doubles("inside")) {
        let &[x, y, area, rotation] = case else { unreachable!() };
        let variation = Variation { x, y, area, rotation: rotation as u32 };
        let placement = variation.place((object.width(), object.height()), background.width());
        assert_eq!(placement.inside, inside, "{variation:?}");
        let drawn = variation.draw(&object, &background, &placement);
        let name = golden.names().into_iter().find(|name| {
            let numbers: Vec<f64> = name.split(',').filter_map(|number| number.parse().ok()).collect();
            numbers == case
        });
        assert_eq!(drawn, rgb(name.unwrap()), "{variation:?}");
        compared += 1;
    }
    assert_eq!(compared, 11);
}
