//! An object cut out of its picture: resized, turned and laid over another, as Pillow does with RGBA images.

use crate::Error;
use visrep_augment::{Filter, RgbImage, resize, rotate_expanded, rotate_quarters};

/// Pixels with how much each covers what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    color: RgbImage,
    alpha: Vec<u8>,
}

impl Layer {
    /// From colours and, row by row, how much each pixel covers: 0 nothing, 255 all.
    ///
    /// # Errors
    /// Not as many of the one as of the other.
    pub fn new(color: RgbImage, alpha: Vec<u8>) -> Result<Self, Error> {
        let pixels = color.data().len() / 3;
        if alpha.len() != pixels {
            let problem =
                format!("a layer of {pixels} pixels needs as many values of alpha, not {}", alpha.len());
            return Err(Error::SiScore { problem });
        }
        Ok(Self { color, alpha })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.color.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.color.height()
    }

    /// Whether no pixel covers anything.
    pub fn is_transparent(&self) -> bool {
        self.alpha.iter().all(|&alpha| alpha == 0)
    }

    /// Pillow's `resize((width, height), BILINEAR)` of an RGBA image.
    #[must_use]
    pub fn resized(&self, width: u32, height: u32) -> Self {
        if (width, height) == (self.width(), self.height()) {
            return self.clone();
        }
        self.premultiplied(|channel| resize(channel, width, height, Filter::Bilinear))
    }

    /// Pillow's `rotate(degrees, BICUBIC, expand=True)` of an RGBA image: counter-clockwise.
    #[must_use]
    pub fn rotated(&self, degrees: f64) -> Self {
        let quarters = degrees / 90.0;
        if quarters.fract() == 0.0 {
            // Whole quarters are exact, without a detour through premultiplied colours.
            let quarters = quarters.rem_euclid(4.0) as u32;
            let alpha = rotate_quarters(&self.alpha_image(), quarters);
            return Self { color: rotate_quarters(&self.color, quarters), alpha: first_channel(&alpha) };
        }
        self.premultiplied(|channel| rotate_expanded(channel, degrees, Filter::Bicubic, [0; 3]))
    }

    /// Changes colours, multiplied by alpha, and alpha alike: what is transparent then lends its neighbours no colour.
    fn premultiplied(&self, change: impl Fn(&RgbImage) -> RgbImage) -> Self {
        let mut color = self.color.clone();
        for (pixel, &alpha) in color.data_mut().as_chunks_mut::<3>().0.iter_mut().zip(&self.alpha) {
            *pixel = pixel.map(|value| divided_by_255(u32::from(value) * u32::from(alpha)));
        }
        let (mut color, alpha) = (change(&color), first_channel(&change(&self.alpha_image())));
        for (pixel, &alpha) in color.data_mut().as_chunks_mut::<3>().0.iter_mut().zip(&alpha) {
            if !matches!(alpha, 0 | 255) {
                *pixel = pixel.map(|value| (255 * u32::from(value) / u32::from(alpha)).min(255) as u8);
            }
        }
        Self { color, alpha }
    }

    /// Alpha as an image of three equal channels, which is what can be resized and turned.
    fn alpha_image(&self) -> RgbImage {
        let mut image = self.color.clone();
        for (pixel, &alpha) in image.data_mut().as_chunks_mut::<3>().0.iter_mut().zip(&self.alpha) {
            *pixel = [alpha; 3];
        }
        image
    }

    /// `background` with this layer's top-left corner at (`left`, `top`), which may lie outside: Pillow's
    /// `background.paste(layer, (left, top), mask=layer)`.
    #[must_use]
    pub fn over(&self, background: &RgbImage, left: i64, top: i64) -> RgbImage {
        let mut result = background.clone();
        let (width, height) = (i64::from(background.width()), i64::from(background.height()));
        let within =
            |start: i64, length: u32, whole: i64| start.max(0)..(start + i64::from(length)).min(whole);
        let stride = background.width() as usize * 3;
        let columns = within(left, self.width(), width);
        if columns.is_empty() {
            return result;
        }
        for y in within(top, self.height(), height) {
            let first = ((y - top) * i64::from(self.width()) + columns.start - left) as usize;
            let count = (columns.end - columns.start) as usize;
            let above = &self.color.data().as_chunks::<3>().0[first..first + count];
            let line = &mut result.data_mut()[y as usize * stride..][..stride];
            let below = &mut line.as_chunks_mut::<3>().0[columns.start as usize..][..count];
            for ((below, above), &alpha) in below.iter_mut().zip(above).zip(&self.alpha[first..]) {
                let alpha = u32::from(alpha);
                for (below, &above) in below.iter_mut().zip(above) {
                    *below = divided_by_255(u32::from(*below) * (255 - alpha) + u32::from(above) * alpha);
                }
            }
        }
        result
    }
}

/// Rounded as Pillow rounds.
fn divided_by_255(value: u32) -> u8 {
    let value = value + 128;
    (((value >> 8) + value) >> 8) as u8
}

fn first_channel(image: &RgbImage) -> Vec<u8> {
    image.data().iter().step_by(3).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_may_lie_partly_or_wholly_outside() {
        let background = RgbImage::filled(4, 3, [10; 3]);
        let layer = Layer::new(RgbImage::filled(2, 2, [210, 0, 10]), vec![255, 255, 0, 128]).unwrap();
        let pasted = layer.over(&background, 3, 1);
        assert_eq!(pasted.pixel(3, 1), [210, 0, 10]);
        assert_eq!(pasted.pixel(3, 2), [10; 3], "transparent");
        let pasted = layer.over(&background, -1, -1);
        // 10 · 127/255 + 210 · 128/255
        assert_eq!(pasted.pixel(0, 0), [110, 5, 10]);
        assert_eq!(pasted.pixel(1, 0), [10; 3]);
        for (left, top) in [(4, 0), (-2, 0), (0, 3), (0, -2), (900, -900)] {
            assert_eq!(layer.over(&background, left, top), background);
        }
        assert!(Layer::new(background, vec![0; 11]).is_err());
    }

    #[test]
    fn what_is_transparent_lends_no_colour() {
        let color = RgbImage::from_fn(8, 8, |x, _| if x < 4 { [200, 100, 0] } else { [0, 255, 255] });
        let alpha = (0..64).map(|place| if place % 8 < 4 { 255 } else { 0 }).collect();
        let layer = Layer::new(color, alpha).unwrap();
        let small = layer.resized(3, 3);
        let black = small.over(&RgbImage::filled(3, 3, [0; 3]), 0, 0);
        assert!((0..3).all(|x| black.pixel(x, 1)[2] == 0), "no blue comes from the other half");
        let turned = layer.rotated(-270.0);
        assert_eq!(turned, layer.rotated(90.0));
        assert_eq!(turned.over(&RgbImage::filled(8, 8, [0; 3]), 0, 0).pixel(5, 7), [200, 100, 0]);
    }
}
