//! Diabetic Retinopathy as Kaggle gives it, made into TFDS's `btgraham-300`: `trainLabels.csv` and `train/`,
//! `retinopathy_solution.csv` and `test/`.
//!
//! The preparation is B. Graham's, who won the competition: eyes are brought to one radius, the local average is taken away, and what
//! lies outside nine tenths of the radius is cut off.

use crate::error::layout;
use crate::preprocess::{Sampling, scale_bilinear};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use visrep_augment::{Border, gaussian_blur};
use visrep_corrupt::encode_jpeg;
use visrep_data::{Error, ImageFiles, Map, Sample, SampleImage, decode_sample};
use visrep_decode::{DecodeOptions, Region, RgbImage};

/// The radius that eyes are brought to, in pixels.
const RADIUS: f64 = 300.0;
/// The share of the radius that is kept.
const KEPT: f64 = 0.9;
/// How the images of `btgraham-300` are stored.
const QUALITY: u8 = 72;

/// Opens a split in `root`: `train`, or the competition's `Public` (VTAB's validation) or `Private` (its test) images. Each
/// image is prepared when it is asked for. The classes are the five grades.
///
/// # Errors
/// A list that is missing, has other columns, or a grade that is none.
pub fn open_diabetic_retinopathy(root: impl AsRef<Path>, split: &str) -> Result<Map, Error> {
    let root = root.as_ref();
    let (list, folder) =
        if split == "train" { ("trainLabels.csv", "train") } else { ("retinopathy_solution.csv", "test") };
    let path = root.join(list);
    let fail = |error: csv::Error| layout(&path, format!("is no list of images and grades: {error}"));
    let mut reader = csv::Reader::from_path(&path).map_err(fail)?;
    let headers = reader.headers().map_err(fail)?.clone();
    let column = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let (Some(image), Some(level)) = (column("image"), column("level")) else {
        return Err(layout(&path, "has not both of the columns `image` and `level`"));
    };
    let usage = match column("usage") {
        Some(usage) => Some(usage),
        None if split == "train" => None,
        None => return Err(layout(&path, "has no column `Usage`, which tells public from private images")),
    };
    let mut files = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(fail)?;
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        if split != "train" && usage.is_some_and(|usage| !field(usage).eq_ignore_ascii_case(split)) {
            continue;
        }
        let grade = field(level).parse::<u32>().ok().filter(|grade| *grade < 5);
        let grade = grade.ok_or_else(|| Error::Row {
            key: format!("{}:{}", path.display(), row + 2),
            problem: format!("has the grade `{}`, expected 0 to 4", field(level)),
        })?;
        files.push((format!("{}.jpeg", field(image)), grade));
    }
    let classes = ["none", "mild", "moderate", "severe", "proliferative"].map(String::from).into();
    let files = ImageFiles::labelled(root.join(folder), files, classes)?;
    Ok(Map::images(Arc::new(files), |image, key| {
        let sample = Sample { image, label: None, key: key.to_owned() };
        let prepared = btgraham(&decode_sample(&sample, &DecodeOptions::default())?);
        let row = |problem: String| Error::Row { key: key.to_owned(), problem };
        let bytes = encode_jpeg(&prepared, QUALITY).map_err(|error| row(error.to_string()))?;
        Ok(SampleImage::Encoded(Bytes::from(bytes)))
    }))
}

/// TFDS's `btgraham-300` of a photograph of an eye's fundus, before it is stored as JPEG.
pub(crate) fn btgraham(image: &RgbImage) -> RgbImage {
    let step = 1.0 / (RADIUS / radius(image));
    let scaled = |side: u32| ((f64::from(side) / step).round_ties_even() as u32).clamp(1, 1 << 14);
    let size = (scaled(image.width()), scaled(image.height()));
    let mut image = scale_bilinear(image, size, (step, step), Sampling::HalfPixel);
    let mut blurred = image.clone();
    // As many taps as OpenCV takes for this deviation.
    gaussian_blur(&mut blurred, 61, RADIUS / 30.0, Border::Reflect);
    for (value, average) in image.data_mut().iter_mut().zip(blurred.data()) {
        *value = (4 * (i32::from(*value) - i32::from(*average)) + 128).clamp(0, 255) as u8;
    }
    let kept = (RADIUS * KEPT) as i64;
    let (across, down) = (i64::from(size.0 / 2), i64::from(size.1 / 2));
    for y in 0..size.1 {
        for x in 0..size.0 {
            let (dx, dy) = (i64::from(x) - across, i64::from(y) - down);
            if dx * dx + dy * dy > kept * kept {
                let at = 3 * (y as usize * size.0 as usize + x as usize);
                image.data_mut()[at..at + 3].fill(128);
            }
        }
    }
    let from = |centre: i64| (centre - kept).max(0) as u32;
    let to = |centre: i64, side: u32| (centre + kept).min(side.into()) as u32;
    let (x, y) = (from(across), from(down));
    let part = Region { x, y, width: to(across, size.0) - x, height: to(down, size.1) - y };
    image.crop(part).unwrap_or(image)
}

/// Half the number of pixels of the middle row that are not nearly black.
fn radius(image: &RgbImage) -> f64 {
    let row = image.row(image.height() / 2);
    let sums: Vec<u32> =
        row.chunks_exact(3).map(|pixel| pixel.iter().map(|value| u32::from(*value)).sum()).collect();
    let mean = sums.iter().sum::<u32>() as f64 / sums.len().max(1) as f64;
    let radius = sums.iter().filter(|sum| f64::from(**sum) > mean / 10.0).count() as f64 / 2.0;
    if radius < 1.0 { f64::from(image.height()) / 2.0 } else { radius }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eye_is_brought_to_its_radius() {
        // A grey disc of radius 100 with a lighter spot, on black.
        let eye = RgbImage::from_fn(320, 240, |x, y| {
            let (dx, dy) = (f64::from(x) - 160.0, f64::from(y) - 120.0);
            match dx.hypot(dy) {
                far if far > 100.0 => [0; 3],
                near if near < 3.0 => [200; 3],
                _ => [90; 3],
            }
        });
        assert!((radius(&eye) - 100.0).abs() <= 1.0);
        let out = btgraham(&eye);
        assert!(
            (539..=540).contains(&out.width()) && (539..=540).contains(&out.height()),
            "{}x{}",
            out.width(),
            out.height()
        );
        let centre = out.pixel(out.width() / 2, out.height() / 2);
        // Flat areas become 128, the spot stands out, what is outside the disc is 128.
        assert!(centre[0] > 200, "{centre:?}");
        assert_eq!((out.pixel(0, 0), out.pixel(150, 270)), ([128; 3], [128; 3]));
        // An image without an eye is taken by its height.
        assert_eq!(radius(&RgbImage::filled(50, 40, [0; 3])), 20.0);
    }

    /// OpenCV's, which blurs and resizes in integers: `fixtures/golden/vtab/make.py`.
    #[test]
    fn preparation_is_opencvs_within_its_rounding() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/vtab/golden.json");
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let golden = &golden["retinopathy"];
        let number = |name: &str| golden[name].as_f64().unwrap();
        let eye = RgbImage::from_fn(260, 200, |x, y| {
            let (dx, dy) = (f64::from(x) - 130.0, f64::from(y) - 100.0);
            let wave = 110.0 + 50.0 * (f64::from(x) / 9.0).sin() * (f64::from(y) / 7.0).cos();
            if dx * dx + dy * dy <= 8100.0 {
                [1.0, 0.6, 0.3].map(|share| (wave * share) as u8)
            } else {
                [0; 3]
            }
        });
        assert_eq!(radius(&eye), number("radius"));
        let out = btgraham(&eye);
        assert_eq!((f64::from(out.width()), f64::from(out.height())), (number("width"), number("height")));
        let step = number("step") as u32;
        let theirs = golden["values"].as_array().unwrap().iter().map(|value| value.as_i64().unwrap());
        let places = (0..out.height())
            .step_by(step as usize)
            .flat_map(|y| (0..out.width()).step_by(step as usize).map(move |x| (x, y)));
        let ours = places.flat_map(|(x, y)| out.pixel(x, y)).map(i64::from);
        let differences: Vec<i64> = ours.zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).collect();
        // A level of the image and one of the average, four times.
        assert!(differences.iter().all(|difference| *difference <= 8), "{differences:?}");
        let mean = differences.iter().sum::<i64>() as f64 / differences.len() as f64;
        assert!(mean < 2.0, "{mean}");
    }
}
