//! Shape bias: whether a decision on a cue-conflict image follows its shape or its texture (Geirhos et al. 2019).

use crate::Error;
use crate::error::check_lengths;
use serde::{Deserialize, Serialize};

/// What decisions follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapeBias {
    /// Of the decisions for shape or texture, the fraction for shape; `None` when there is none of either.
    pub shape_bias: Option<f64>,
    /// The mean over shape classes of the same; classes without such a decision are left out.
    pub class_mean: Option<f64>,
    /// The fraction of all decisions that are for shape or for texture.
    pub decided: f64,
    /// Decisions for the shape.
    pub shape: usize,
    /// Decisions for the texture.
    pub texture: usize,
    /// Images whose shape and texture differ.
    pub n: usize,
    /// Images whose shape and texture are of one class: they decide nothing and count nowhere.
    pub left_out: usize,
}

/// Counts `decisions` for the class of the image's shape and of its texture; all three are classes by number.
pub fn shape_bias(shapes: &[usize], textures: &[usize], decisions: &[usize]) -> Result<ShapeBias, Error> {
    check_lengths("shapes", shapes.len(), "textures", textures.len())?;
    check_lengths("shapes", shapes.len(), "decisions", decisions.len())?;
    let classes = shapes.iter().max().map_or(0, |&highest| highest + 1);
    let mut counts = vec![(0_usize, 0_usize); classes];
    let mut n = 0;
    for ((&shape, &texture), &decision) in shapes.iter().zip(textures).zip(decisions) {
        if shape != texture {
            n += 1;
            counts[shape].0 += usize::from(decision == shape);
            counts[shape].1 += usize::from(decision == texture);
        }
    }
    if n == 0 {
        let reason = "shape and texture are of one class in every image; give cue-conflict images";
        return Err(Error::Undefined { what: "shape bias", reason });
    }
    let bias = |&(shape, texture): &(usize, usize)| {
        (shape + texture > 0).then(|| shape as f64 / (shape + texture) as f64)
    };
    let total = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let of_classes: Vec<f64> = counts.iter().filter_map(bias).collect();
    Ok(ShapeBias {
        shape_bias: bias(&total),
        class_mean: crate::mean(&of_classes).ok(),
        decided: (total.0 + total.1) as f64 / n as f64,
        shape: total.0,
        texture: total.1,
        n,
        left_out: shapes.len() - n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_counted_by_the_cue_they_follow() {
        let (shapes, textures) = ([0, 0, 0, 2, 2, 1], [1, 1, 2, 0, 2, 0]);
        let result = shape_bias(&shapes, &textures, &[0, 1, 3, 2, 2, 7]).unwrap();
        assert_eq!((result.shape, result.texture, result.n, result.left_out), (2, 1, 5, 1));
        assert_eq!(result.shape_bias, Some(2.0 / 3.0));
        assert_eq!(result.class_mean, Some(0.75));
        assert_eq!(result.decided, 0.6);
    }

    #[test]
    fn no_decision_for_either_cue_has_no_bias() {
        let result = shape_bias(&[0], &[1], &[2]).unwrap();
        assert_eq!((result.shape_bias, result.class_mean, result.decided), (None, None, 0.0));
        assert!(matches!(shape_bias(&[3], &[3], &[3]), Err(Error::Undefined { .. })));
        assert!(shape_bias(&[0], &[1, 2], &[0]).is_err());
        assert!(shape_bias(&[], &[], &[]).is_err());
    }
}
