//! EXIF orientation: the eight ways a photograph may lie in its file.

use crate::{Area, Region, RgbImage};

/// The EXIF tag 0x0112. The names say what has to be done to see the image upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// 1: as stored.
    #[default]
    Normal,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: turned by 180°.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored along the main diagonal (rows become columns).
    Transpose,
    /// 6: turned by 90° clockwise.
    Rotate90,
    /// 7: mirrored along the other diagonal.
    Transverse,
    /// 8: turned by 270° clockwise.
    Rotate270,
}

impl Orientation {
    /// The orientation with this EXIF value; `None` for values outside 1..=8.
    pub fn from_exif(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Normal,
            2 => Self::FlipHorizontal,
            3 => Self::Rotate180,
            4 => Self::FlipVertical,
            5 => Self::Transpose,
            6 => Self::Rotate90,
            7 => Self::Transverse,
            8 => Self::Rotate270,
            _ => return None,
        })
    }

    /// Whether applying it exchanges width and height.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// Whether applying it exchanges left and right of the stored image, before its sides are exchanged.
    fn mirrors_columns(self) -> bool {
        matches!(self, Self::FlipHorizontal | Self::Rotate180 | Self::Transverse | Self::Rotate270)
    }

    /// Whether applying it exchanges top and bottom of the stored image, before its sides are exchanged.
    fn mirrors_rows(self) -> bool {
        matches!(self, Self::Rotate180 | Self::FlipVertical | Self::Rotate90 | Self::Transverse)
    }

    /// Where in a stored image of `width` x `height` a region of the upright one lies; it must be inside.
    pub(crate) fn region_before(self, region: Region, width: u32, height: u32) -> Region {
        let mut stored = region;
        if self.swaps_sides() {
            stored = Region { x: region.y, y: region.x, width: region.height, height: region.width };
        }
        if self.mirrors_columns() {
            stored.x = width - stored.x - stored.width;
        }
        if self.mirrors_rows() {
            stored.y = height - stored.y - stored.height;
        }
        stored
    }

    /// Where an area of a stored image of `width` x `height` lies in the upright one.
    pub(crate) fn apply_to_area(self, mut area: Area, width: f64, height: f64) -> Area {
        if self.mirrors_columns() {
            area.x = width - area.x - area.width;
        }
        if self.mirrors_rows() {
            area.y = height - area.y - area.height;
        }
        if self.swaps_sides() {
            area = Area { x: area.y, y: area.x, width: area.height, height: area.width };
        }
        area
    }

    /// Turns and mirrors `image` as this orientation says.
    pub fn apply(self, image: RgbImage) -> RgbImage {
        if self == Self::Normal {
            return image;
        }
        let (width, height) = (image.width(), image.height());
        let (right, bottom) = (width - 1, height - 1);
        let (out_width, out_height) = if self.swaps_sides() { (height, width) } else { (width, height) };
        RgbImage::from_fn(out_width, out_height, |x, y| match self {
            Self::Normal => image.pixel(x, y),
            Self::FlipHorizontal => image.pixel(right - x, y),
            Self::Rotate180 => image.pixel(right - x, bottom - y),
            Self::FlipVertical => image.pixel(x, bottom - y),
            Self::Transpose => image.pixel(y, x),
            Self::Rotate90 => image.pixel(y, bottom - x),
            Self::Transverse => image.pixel(right - y, bottom - x),
            Self::Rotate270 => image.pixel(right - y, x),
        })
    }
}
