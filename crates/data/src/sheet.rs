//! A contact sheet: a dataset at a glance.

use crate::{Dataset, decode_sample};
use std::collections::BTreeMap;
use visrep_augment::{Filter, resize};
use visrep_decode::{DecodeOptions, RgbImage};

/// Pixels between cells, and round all of them.
const GAP: u32 = 4;
const PAPER: [u8; 3] = [255; 3];
const BROKEN: [u8; 3] = [200, 30, 30];

/// What a contact sheet shows.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The picture.
    pub image: RgbImage,
    /// The label of each row, from the top; none for samples without one, and for rows of several classes.
    pub rows: Vec<Option<u32>>,
}

/// Draws up to `columns` samples of each of up to `rows` classes, a class to a row, in cells of `cell` pixels a side. Where
/// there are more classes or samples, those shown are evenly spaced; samples without labels fill all rows, and so do
/// classes of one sample each. A sample that cannot be read is a red cross.
pub fn contact_sheet(dataset: &dyn Dataset, rows: usize, columns: usize, cell: u32) -> Sheet {
    let (rows, columns, cell) = (rows.clamp(1, 200), columns.clamp(1, 200), cell.clamp(8, 512));
    let mut classes = BTreeMap::<Option<u32>, Vec<usize>>::new();
    for index in 0..dataset.len() {
        classes.entry(dataset.label(index)).or_default().push(index);
    }
    let mut lines: Vec<(Option<u32>, Vec<usize>)> = Vec::new();
    if classes.len() == 1 || classes.values().all(|indices| indices.len() == 1) {
        // One class, none, or a sample of each: all rows are theirs.
        let label = if classes.len() == 1 { classes.keys().next().copied().flatten() } else { None };
        let indices: Vec<usize> = classes.into_values().flatten().collect();
        let shown: Vec<usize> =
            spaced(indices.len(), rows * columns).into_iter().map(|at| indices[at]).collect();
        lines.extend(shown.chunks(columns).map(|line| (label, line.to_vec())));
    } else {
        let all: Vec<_> = classes.into_iter().collect();
        for at in spaced(all.len(), rows) {
            let (label, indices) = &all[at];
            let shown = spaced(indices.len(), columns).into_iter().map(|at| indices[at]).collect();
            lines.push((*label, shown));
        }
    }
    let width = lines.iter().map(|(_, line)| line.len()).max().unwrap_or(1) as u32;
    let size = |cells: u32| GAP + cells * (cell + GAP);
    let mut image = RgbImage::filled(size(width), size(lines.len().max(1) as u32), PAPER);
    for (y, (_, line)) in (0..).zip(&lines) {
        for (x, index) in (0..).zip(line) {
            let (left, top) = (GAP + x * (cell + GAP), GAP + y * (cell + GAP));
            let found =
                dataset.get(*index).and_then(|sample| decode_sample(&sample, &DecodeOptions::default()));
            match found {
                Ok(picture) => paste(&mut image, &fit(&picture, cell), left, top, cell),
                Err(_) => cross(&mut image, left, top, cell),
            }
        }
    }
    Sheet { image, rows: lines.into_iter().map(|(label, _)| label).collect() }
}

/// At most `wanted` of `0..count`, evenly spaced.
fn spaced(count: usize, wanted: usize) -> Vec<usize> {
    let shown = count.min(wanted);
    (0..shown).map(|at| at * count / shown).collect()
}

/// A picture that fits into a cell; small ones are enlarged without smoothing, by whole numbers.
fn fit(picture: &RgbImage, cell: u32) -> RgbImage {
    let longest = picture.width().max(picture.height()).max(1);
    if longest <= cell {
        let factor = cell / longest;
        return resize(picture, picture.width() * factor, picture.height() * factor, Filter::Nearest);
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(cell) / u64::from(longest)).max(1) as u32;
    resize(picture, scaled(picture.width()), scaled(picture.height()), Filter::Bilinear)
}

/// Puts a picture into the middle of a cell.
fn paste(sheet: &mut RgbImage, picture: &RgbImage, left: u32, top: u32, cell: u32) {
    let (left, top) = (left + (cell - picture.width()) / 2, top + (cell - picture.height()) / 2);
    for y in 0..picture.height() {
        let row = picture.row(y);
        put(sheet, left, top + y, row);
    }
}

fn cross(sheet: &mut RgbImage, left: u32, top: u32, cell: u32) {
    for at in 0..cell {
        for x in [at, cell - 1 - at] {
            put(sheet, left + x, top + at, &BROKEN);
        }
        for y in [0, cell - 1] {
            put(sheet, left + at, top + y, &BROKEN);
        }
        for x in [0, cell - 1] {
            put(sheet, left + x, top + at, &BROKEN);
        }
    }
}

fn put(sheet: &mut RgbImage, x: u32, y: u32, pixels: &[u8]) {
    let at = (y as usize * sheet.width() as usize + x as usize) * 3;
    sheet.data_mut()[at..at + pixels.len()].copy_from_slice(pixels);
}
