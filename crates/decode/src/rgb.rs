//! The one image type that the workspace's host side passes around: 8-bit interleaved RGB.

use crate::Error;

/// An owned 8-bit RGB image, rows top to bottom, three interleaved bytes per pixel, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// A rectangle in pixels; `x`, `y` is its top-left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Distance of the left edge from the image's left edge.
    pub x: u32,
    /// Distance of the top edge from the image's top edge.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl RgbImage {
    /// Wraps `data`, which must hold exactly `width * height * 3` bytes. Neither side may be zero.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, Error> {
        let expected = width as usize * height as usize * 3;
        if expected == 0 || data.len() != expected {
            return Err(Error::BufferSize { width, height, expected, found: data.len() });
        }
        Ok(Self { width, height, data })
    }

    /// An image of one colour. Sides of zero are raised to one.
    pub fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let data = rgb.repeat(width as usize * height as usize);
        Self { width, height, data }
    }

    /// Builds an image pixel by pixel from `f(x, y)`. Sides of zero are raised to one.
    pub fn from_fn(width: u32, height: u32, mut f: impl FnMut(u32, u32) -> [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut data = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            for x in 0..width {
                data.extend_from_slice(&f(x, y));
            }
        }
        Self { width, height, data }
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `height * width * 3` of them (HWC).
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, to change in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Gives the buffer away.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The bytes of row `y`; panics when `y >= height`.
    pub fn row(&self, y: u32) -> &[u8] {
        let stride = self.width as usize * 3;
        &self.data[y as usize * stride..][..stride]
    }

    /// The pixel at `x`, `y`; panics when outside the image.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width, "x {x} is outside a width of {}", self.width);
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Copies `region` out. An error names the region when it is empty or reaches outside the image.
    pub fn crop(&self, region: Region) -> Result<Self, Error> {
        region.check(self.width, self.height)?;
        let Region { x, y, width, height } = region;
        let mut data = Vec::with_capacity(width as usize * height as usize * 3);
        for row in y..y + height {
            data.extend_from_slice(&self.row(row)[x as usize * 3..][..width as usize * 3]);
        }
        Ok(Self { width, height, data })
    }
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

impl Region {
    /// Errs unless the region is non-empty and lies within `width` x `height`.
    pub fn check(&self, width: u32, height: u32) -> Result<(), Error> {
        let fits = |start: u32, len: u32, total: u32| {
            len > 0 && start.checked_add(len).is_some_and(|end| end <= total)
        };
        if fits(self.x, self.width, width) && fits(self.y, self.height, height) {
            Ok(())
        } else {
            Err(Error::Region { region: *self, width, height })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_copies_the_region_and_nothing_else() {
        let image = RgbImage::from_fn(5, 4, |x, y| [x as u8, y as u8, 9]);
        let crop = image.crop(Region { x: 2, y: 1, width: 3, height: 2 }).unwrap();
        assert_eq!((crop.width(), crop.height()), (3, 2));
        assert_eq!(crop.pixel(0, 0), [2, 1, 9]);
        assert_eq!(crop.pixel(2, 1), [4, 2, 9]);
    }

    #[test]
    fn crop_refuses_what_is_outside_even_where_the_sum_overflows() {
        let image = RgbImage::filled(5, 4, [0; 3]);
        for region in [
            Region { x: 3, y: 0, width: 3, height: 1 },
            Region { x: 0, y: 0, width: 0, height: 1 },
            Region { x: u32::MAX, y: 0, width: 2, height: 1 },
        ] {
            assert!(matches!(image.crop(region), Err(Error::Region { .. })));
        }
    }

    #[test]
    fn a_buffer_of_the_wrong_size_is_refused() {
        assert!(RgbImage::new(2, 2, vec![0; 11]).is_err());
        assert!(RgbImage::new(0, 2, vec![]).is_err());
    }
}
