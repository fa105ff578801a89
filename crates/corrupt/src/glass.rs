//! Glass: blur, fetch every pixel from a random neighbour, blur again.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Glass;
use crate::field::{Edge, Field, gaussian};

/// `offsets` gives the (dx, dy) to fetch each pixel from, in the order they are used: rounds, then rows from
/// the bottom up, then columns from the right.
///
/// The published code is written as a swap, but on rows of a NumPy image it copies: the neighbour keeps
/// its own value. Later pixels read what earlier ones wrote, so the order matters.
pub(crate) fn glass(
    image: &RgbImage,
    params: Glass,
    mut offsets: impl FnMut() -> (i32, i32),
) -> Result<RgbImage, Error> {
    let blur =
        |image: &RgbImage| gaussian(&Field::from_rgb(image), params.sigma, 4.0, Edge::Nearest).to_rgb();
    let mut out = blur(image)?;
    let (width, height) = (out.width() as usize, out.height() as usize);
    let reach = params.reach as usize;
    let data = out.data_mut().as_chunks_mut::<3>().0;
    for _ in 0..params.rounds {
        for y in (reach + 1..(height + 1).saturating_sub(reach)).rev() {
            for x in (reach + 1..(width + 1).saturating_sub(reach)).rev() {
                let (dx, dy) = offsets();
                let from =
                    y.saturating_add_signed(dy as isize) * width + x.saturating_add_signed(dx as isize);
                data[y * width + x] = data[from];
            }
        }
    }
    blur(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_copied_not_swapped() {
        let image = RgbImage::from_fn(5, 5, |x, y| [(x * 10 + y) as u8; 3]);
        let params = Glass { sigma: 0.0, reach: 1, rounds: 1 };
        let out = glass(&image, params, || (-1, 0)).unwrap();
        // Each pixel takes its left neighbour's old value, which stays where it was.
        assert_eq!(out.pixel(4, 4)[0], 34);
        assert_eq!(out.pixel(2, 2)[0], 12);
        assert_eq!(out.pixel(1, 2)[0], 12);
    }
}
