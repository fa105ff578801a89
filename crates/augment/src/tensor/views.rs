//! What was drawn for single images, applied to a batch.

use super::{
    adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, check_one_each, erase,
    flip_horizontal, gaussian_blur, grayscale, resized_crop, shape, solarize,
};
use crate::error::wrong;
use crate::{BlurMethod, Border, EraseFill, Error, Filter, Op, View};
use tch::Tensor;

/// Applies to each image of a batch the view drawn for it, operations of the same kind together, whatever their order in
/// the single views.
///
/// Errs on images of another size than the views', on views that do not give images of one size, and on an operation
/// that is not among those of this module ([`Op::ResizedCrop`] bilinear, [`Op::FlipHorizontal`], the colour adjustments,
/// [`Op::Grayscale`], [`Op::Solarize`], [`Op::GaussianBlur`] with a reflecting kernel, [`Op::Erase`] with a colour).
pub fn apply_views(images: &Tensor, views: &[View]) -> Result<Tensor, Error> {
    let (n, height, width) = shape(images)?;
    check_one_each("apply_views views", n, views.len())?;
    if let Some(view) = views.iter().find(|view| view.source_size() != (width, height)) {
        return Err(Error::ViewSize { expected: view.source_size(), found: (width, height) });
    }
    let mut parts: Vec<Tensor> = (0..n as i64).map(|i| images.f_narrow(0, i, 1)).collect::<Result<_, _>>()?;
    let mut done = vec![0; n];
    let next = |i: usize, done: &[usize]| views[i].ops().get(done[i]);
    // The image that is furthest behind decides what comes next.
    while let Some(leader) = (0..n).filter(|&i| next(i, &done).is_some()).min_by_key(|&i| done[i]) {
        let Some(op) = next(leader, &done) else { break };
        let alike = |&i: &usize| {
            next(i, &done).is_some_and(|other| together(op, other)) && parts[i].size() == parts[leader].size()
        };
        let members: Vec<usize> = (0..n).filter(alike).collect();
        let ops: Vec<&Op> = members.iter().filter_map(|&i| next(i, &done)).collect();
        let batch = Tensor::f_cat(&members.iter().map(|&i| &parts[i]).collect::<Vec<_>>(), 0)?;
        let batch = apply(&batch, &ops)?;
        for (place, &i) in members.iter().enumerate() {
            parts[i] = batch.f_narrow(0, place as i64, 1)?;
            done[i] += 1;
        }
    }
    if n == 0 {
        return Ok(images.shallow_clone());
    }
    if let Some(other) = parts.iter().find(|part| part.size() != parts[0].size()) {
        let expected = format!("of one size, {:?}", parts[0].size());
        return Err(wrong("apply_views results", expected, format!("{:?}", other.size())));
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}

/// Whether two operations can be applied in one call.
fn together(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (
            Op::ResizedCrop { width, height, filter, .. },
            Op::ResizedCrop { width: other_width, height: other_height, filter: other_filter, .. },
        ) => (width, height, filter) == (other_width, other_height, other_filter),
        (Op::GaussianBlur { method, .. }, Op::GaussianBlur { method: other, .. }) => method == other,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// Applies operations that belong together, one to each image.
fn apply(images: &Tensor, ops: &[&Op]) -> Result<Tensor, Error> {
    /// One parameter of every operation; operations of other kinds are not among them.
    macro_rules! each {
        ($pattern:pat => $value:expr) => {
            ops.iter()
                .filter_map(|op| if let $pattern = **op { Some($value) } else { None })
                .collect::<Vec<_>>()
        };
    }
    let Some(first) = ops.first() else { return Ok(images.shallow_clone()) };
    match first {
        Op::ResizedCrop { width, height, filter: Filter::Bilinear, .. } => {
            resized_crop(images, &each!(Op::ResizedCrop { region, .. } => region), *width, *height)
        }
        Op::FlipHorizontal => flip_horizontal(images, &vec![true; ops.len()]),
        Op::AdjustBrightness { .. } => {
            adjust_brightness(images, &each!(Op::AdjustBrightness { factor } => factor))
        }
        Op::AdjustContrast { .. } => adjust_contrast(images, &each!(Op::AdjustContrast { factor } => factor)),
        Op::AdjustSaturation { .. } => {
            adjust_saturation(images, &each!(Op::AdjustSaturation { factor } => factor))
        }
        Op::AdjustHue { .. } => adjust_hue(images, &each!(Op::AdjustHue { turns } => turns)),
        Op::Grayscale => grayscale(images, &vec![true; ops.len()]),
        Op::Solarize { .. } => {
            // Half a level below, so that a value on the threshold is above it in any rounding.
            let threshold = |level: u16| Some((f64::from(level) - 0.5) / 255.0);
            solarize(images, &each!(Op::Solarize { threshold: level } => threshold(level)))
        }
        Op::GaussianBlur { method: BlurMethod::Kernel { size, border: Border::Reflect }, .. } => {
            gaussian_blur(images, *size, &each!(Op::GaussianBlur { sigma, .. } => sigma))
        }
        Op::Erase { fill: EraseFill::Color(_), .. } => {
            let colors = each!(Op::Erase { fill: EraseFill::Color(color), .. } => color);
            check_one_each("apply_views erasing colours", ops.len(), colors.len())?;
            let values: Vec<f32> = colors.iter().flatten().map(|&level| f32::from(level) / 255.0).collect();
            let values = super::weights(images, &values, &[ops.len() as i64, 3, 1, 1])?;
            erase(images, &each!(Op::Erase { region, .. } => Some(region)), &values)
        }
        other => Err(wrong("apply_views operation", "one that tensors have", format!("{other:?}"))),
    }
}
