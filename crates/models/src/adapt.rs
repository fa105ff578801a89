//! What is done to a weight file's tensors for any architecture, before they are compared with the model's.

use crate::Error;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Fits a stem made for RGB to images of `channels`, as timm's `adapt_input_conv` does: for one channel the kernels are
/// summed, for others they are repeated and scaled by 3 / `channels`, so that the response to grey images stays.
///
/// The stem is the only convolution whose weight (O, I, K, K) has 3 input channels in the file and `channels` in the model.
pub(crate) fn adapt_input_channels(
    tensors: &mut BTreeMap<String, Tensor>,
    target: &BTreeMap<String, Tensor>,
    channels: i64,
) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    if channels == 3 {
        return Ok(notes);
    }
    for (name, tensor) in tensors.iter_mut() {
        let (file, model) = (tensor.size(), target.get(name).map(Tensor::size).unwrap_or_default());
        let stem = file.len() == 4 && model.len() == 4 && file[1] == 3 && model[1] == channels;
        if !stem || file[0] != model[0] || file[2..] != model[2..] {
            continue;
        }
        let weight = tensor.f_to_kind(Kind::Float)?;
        let adapted = match channels {
            1 => weight.f_sum_dim_intlist(&[1_i64][..], true, Kind::Float)?,
            _ => {
                let repeated = weight.f_repeat([1, (channels + 2) / 3, 1, 1])?;
                repeated.f_narrow(1, 0, channels)?.f_mul_scalar(3.0 / channels as f64)?
            }
        };
        *tensor = adapted.f_to_kind(tensor.kind())?;
        notes.push(format!("fitted `{name}` from 3 to {channels} input channels"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of timm 1.0.31's `adapt_input_conv`.
    #[test]
    fn input_channels_are_fitted_as_by_timm() {
        let weight = || Tensor::from_slice(&[0.5_f32, 1.5, 2.5, 3.5, 4.5, 5.5]).reshape([2, 3, 1, 1]);
        for (channels, expected) in [
            (1, &[4.5_f32, 13.5][..]),
            (2, &[0.75, 2.25, 5.25, 6.75]),
            (4, &[0.375, 1.125, 1.875, 0.375, 2.625, 3.375, 4.125, 2.625]),
        ] {
            let mut tensors = BTreeMap::from([("stem.weight".to_owned(), weight())]);
            let model = Tensor::zeros([2, channels, 1, 1], (Kind::Float, tch::Device::Cpu));
            let target = BTreeMap::from([("stem.weight".to_owned(), model)]);
            let notes = adapt_input_channels(&mut tensors, &target, channels).expect("adapted");
            assert_eq!(notes.len(), 1);
            let got: Vec<f32> = Vec::try_from(tensors["stem.weight"].flatten(0, -1)).expect("values");
            assert_eq!(got, expected, "{channels} channels");
        }
    }
}
