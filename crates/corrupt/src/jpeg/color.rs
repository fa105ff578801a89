//! RGB to YCbCr and back (JFIF), in libjpeg's 16-bit fixed point.

use visrep_decode::RgbImage;

use super::Plane;
use crate::Error;

const HALF: i32 = 1 << 15;

/// A real number in 16-bit fixed point.
const fn fix(x: f64) -> i32 {
    (x * 65536.0 + 0.5) as i32
}

pub(super) fn to_ycc(image: &RgbImage) -> [Plane; 3] {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut planes = [0; 3].map(|_: i32| vec![0_u8; width * height]);
    let [luma, blue, red] = &mut planes;
    let pixels = image.data().as_chunks::<3>().0;
    for (((pixel, y), cb), cr) in pixels.iter().zip(luma).zip(blue).zip(red) {
        let [r, g, b] = pixel.map(i32::from);
        *y = ((fix(0.299) * r + fix(0.587) * g + fix(0.114) * b + HALF) >> 16) as u8;
        // 128 plus just under a half: a full blue or red then rounds to 255, not 256.
        let offset = (128 << 16) + HALF - 1;
        *cb = ((fix(0.5) * b - fix(0.168_735_892) * r - fix(0.331_264_108) * g + offset) >> 16) as u8;
        *cr = ((fix(0.5) * r - fix(0.418_687_589) * g - fix(0.081_312_411) * b + offset) >> 16) as u8;
    }
    planes.map(|data| Plane { width, height, data })
}

/// The planes may be larger than the image; what lies beyond is dropped.
pub(super) fn to_rgb(width: u32, height: u32, y: &Plane, cb: &Plane, cr: &Plane) -> Result<RgbImage, Error> {
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for row in 0..height as usize {
        let samples = y.row(row)[..width as usize].iter().zip(cb.row(row)).zip(cr.row(row));
        data.extend(samples.flat_map(|((&y, &cb), &cr)| {
            let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
            let red = y + ((fix(1.402) * cr + HALF) >> 16);
            let green = y + ((HALF - fix(0.344_136_286) * cb - fix(0.714_136_286) * cr) >> 16);
            let blue = y + ((fix(1.772) * cb + HALF) >> 16);
            [red, green, blue].map(|v| v.clamp(0, 255) as u8)
        }));
    }
    Ok(RgbImage::new(width, height, data)?)
}
