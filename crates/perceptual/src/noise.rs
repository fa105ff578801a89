//! Noise that has one band of spatial frequencies.

use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// Gaussian noise of `height` x `width` values, row by row, with mean 0 and standard deviation 1, whose frequencies (the length of the vector
/// of both directions' cycles per pixel) are at least `low` and below `high`: white noise of which the rest is taken away.
///
/// # Errors
/// A band that has no frequency of such an image, as of frequencies below one cycle per image.
pub fn band_noise(
    height: u32,
    width: u32,
    low: f64,
    high: f64,
    generator: &mut Generator,
) -> Result<Vec<f32>, Error> {
    let (rows, columns) = (i64::from(height), i64::from(width));
    let options = (Kind::Double, Device::Cpu);
    let white = Tensor::f_zeros([rows, columns], options)?;
    generator.normal_(&white, 0.0, 1.0)?;
    let down = Tensor::f_fft_fftfreq(rows, 1.0, options)?.f_unsqueeze(1)?;
    let across = Tensor::f_fft_rfftfreq(columns, 1.0, options)?.f_unsqueeze(0)?;
    let frequency = down.f_square()?.f_add(&across.f_square()?)?.f_sqrt()?;
    // The mean is no frequency.
    let kept =
        frequency.f_ge(low)?.f_logical_and(&frequency.f_lt(high)?)?.f_logical_and(&frequency.f_gt(0.0)?)?;
    let spectrum = white.f_fft_rfft2(None::<&[i64]>, [-2, -1].as_slice(), "backward")?.f_mul(&kept)?;
    let noise = spectrum.f_fft_irfft2([rows, columns].as_slice(), [-2, -1].as_slice(), "backward")?;
    let deviation = noise.f_square()?.f_mean(Kind::Double)?.f_sqrt()?;
    if deviation.f_double_value(&[])? < 1e-12 {
        return Err(Error::Band { low, high, width, height });
    }
    let noise = noise.f_div(&deviation)?.f_to_kind(Kind::Float)?.f_flatten(0, -1)?;
    Ok(Vec::<f32>::try_from(noise)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The energy of a row of values at so many cycles.
    fn energy(values: &[f64], cycles: usize) -> f64 {
        let n = values.len() as f64;
        let turn = |at: usize| std::f64::consts::TAU * cycles as f64 * at as f64 / n;
        let part =
            |of: fn(f64) -> f64| values.iter().enumerate().map(|(at, v)| v * of(turn(at))).sum::<f64>();
        part(f64::cos).powi(2) + part(f64::sin).powi(2)
    }

    #[test]
    fn noise_has_unit_energy_in_its_band_alone() {
        let noise = |seed| band_noise(40, 32, 0.125, 0.25, &mut Generator::new(seed)).unwrap();
        let found = noise(3);
        assert_eq!((found.len(), found == noise(3), found == noise(4)), (1280, true, false));
        let (sum, squares) =
            found.iter().fold((0.0, 0.0), |(a, b), &v| (a + f64::from(v), b + f64::from(v).powi(2)));
        assert!(sum.abs() < 1e-3 && (squares / 1280.0 - 1.0).abs() < 1e-5, "{sum} {squares}");
        // The sum over rows has the frequencies that go straight across: 4 to 7 of 32 cycles.
        let mut across = vec![0.0; 32];
        found.iter().enumerate().for_each(|(at, &value)| across[at % 32] += f64::from(value));
        for cycles in 0..=16 {
            let inside = (4..8).contains(&cycles);
            assert_eq!(energy(&across, cycles) > 1e-6, inside, "{cycles} cycles");
        }
        let none = band_noise(16, 16, 0.01, 0.02, &mut Generator::new(1)).unwrap_err().to_string();
        assert!(none.contains("16 x 16"), "{none}");
    }
}
