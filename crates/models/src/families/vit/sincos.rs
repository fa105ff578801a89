//! Fixed position embeddings: sines and cosines of row and column. Three published codes make three tables; weights
//! trained with one do not work with another.

use tch::{TchError, Tensor};

/// Whose table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// facebookresearch/mae: [sin x, cos x, sin y, cos y], frequencies 10000^(-i / q).
    Mae,
    /// facebookresearch/moco-v3: [sin y, cos y, sin x, cos x], frequencies 10000^(-i / q).
    MocoV3,
    /// google-research/big_vision: [sin x, cos x, sin y, cos y], frequencies 10000^(-i / (q - 1)).
    BigVision,
}

impl Table {
    /// The embedding (1, `rows` · `columns`, `width`) of a grid, row by row: y is the row, x the column, and i runs through
    /// q = `width` / 4 frequencies.
    pub(crate) fn make(self, (rows, columns): (i64, i64), width: i64) -> Result<Tensor, TchError> {
        let quarter = width / 4;
        let last = match self {
            Self::Mae | Self::MocoV3 => quarter,
            Self::BigVision => (quarter - 1).max(1),
        };
        let frequency = |i: i64| 10_000_f64.powf(-(i as f64) / last as f64);
        let mut values = Vec::with_capacity((rows * columns * width) as usize);
        for y in 0..rows {
            for x in 0..columns {
                let (first, second) = if self == Self::MocoV3 { (y, x) } else { (x, y) };
                for at in [first, second] {
                    let angle = |i| at as f64 * frequency(i);
                    values.extend((0..quarter).map(|i| angle(i).sin() as f32));
                    values.extend((0..quarter).map(|i| angle(i).cos() as f32));
                }
            }
        }
        Tensor::f_from_slice(&values)?.f_reshape([1, rows * columns, width])
    }
}
