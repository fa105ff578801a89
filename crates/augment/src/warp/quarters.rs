//! Turns by 90 degrees: rows become columns.

use crate::simd::{GROUP, Pixels, vectorised};
use visrep_decode::RgbImage;

/// Turned by 90 degrees, counter-clockwise or clockwise.
pub(super) fn turned(image: &RgbImage, counter_clockwise: bool) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut data = vec![0; image.data().len()];
    let pixels = Pixels::detect();
    // The source row that is column `x` of the result, and the result's row that is column `x` of the source.
    let row_of = |x: usize| if counter_clockwise { x } else { height - 1 - x };
    let target_of = |x: usize| if counter_clockwise { width - 1 - x } else { x };
    vectorised(
        #[inline(always)]
        || {
            for start in (0..height).step_by(GROUP) {
                let mut rows = [&[][..]; GROUP];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = image.row(row_of((start + r).min(height - 1)) as u32);
                }
                let mut done = 0;
                while start + GROUP <= height && done * 3 + 16 <= width * 3 {
                    let mut quads = [&[0; 16]; GROUP];
                    for r in 0..GROUP {
                        if let Some(quad) = rows[r][done * 3..].first_chunk() {
                            quads[r] = quad;
                        }
                    }
                    let columns = pixels.columns(quads);
                    for i in 0..4 {
                        let target = &mut data[(target_of(done + i) * height + start) * 3..][..GROUP * 3];
                        target.copy_from_slice(&pixels.packed(&columns[i]));
                    }
                    done += 4;
                }
                for x in done..width {
                    let target = &mut data[(target_of(x) * height + start) * 3..];
                    let count = GROUP.min(height - start);
                    for (pixel, row) in target.as_chunks_mut::<3>().0.iter_mut().zip(&rows[..count]) {
                        pixel.copy_from_slice(&row[x * 3..x * 3 + 3]);
                    }
                }
            }
        },
    );
    RgbImage::new(image.height(), image.width(), data).expect("as many bytes as before")
}
