//! Attention's bias by relative position: "Self-attention with relative position representations" (Shaw et al., 2018), as
//! Swin and BEiT have it, and its resampling to windows of another size.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Derived, Param};
use tch::{Kind, TchError, Tensor};

/// The places in a table of relative positions, for every pair of tokens of a window; one for all blocks of a window size.
#[derive(Clone, Debug)]
pub(crate) struct RelativeIndex {
    window: (i64, i64),
    class_token: bool,
    /// (T · T): a query's places for all keys, query by query.
    index: Derived,
}

impl RelativeIndex {
    /// For a window of so many rows and columns of tokens, after a class token if there is one.
    pub(crate) fn new(window: (i64, i64), class_token: bool) -> Self {
        Self { window, class_token, index: Derived::new(move || index(window, class_token)) }
    }

    /// The tokens T of the window.
    pub(crate) fn tokens(&self) -> i64 {
        self.window.0 * self.window.1 + i64::from(self.class_token)
    }

    /// The rows of the table: one per offset, and three for the class token: to a patch, from a patch, to itself.
    fn places(&self) -> i64 {
        offsets(self.window.0) * offsets(self.window.1) + extra(self.class_token)
    }
}

/// A learned bias per head and relative position: `relative_position_bias_table` (places, heads).
#[derive(Clone, Debug)]
pub(crate) struct RelativePosition {
    table: Param,
    index: RelativeIndex,
}

impl RelativePosition {
    pub(crate) fn new(
        builder: &Builder<'_>,
        index: RelativeIndex,
        heads: i64,
        init: Init,
    ) -> Result<Self, TchError> {
        let table = builder.parameter("relative_position_bias_table", &[index.places(), heads], init)?;
        Ok(Self { table, index })
    }

    /// The bias of the attention's scores, (1, heads, T, T).
    pub(crate) fn bias(&self) -> Result<Tensor, TchError> {
        let (heads, tokens) = (self.table.size()[1], self.index.tokens());
        let index = self.index.index.like(&self.table)?.f_expand([heads, tokens * tokens], false)?;
        self.table.f_tr()?.f_gather(1, &index, false)?.f_view([1, heads, tokens, tokens])
    }
}

/// The offsets between `side` positions.
fn offsets(side: i64) -> i64 {
    2 * side - 1
}

fn extra(class_token: bool) -> i64 {
    if class_token { 3 } else { 0 }
}

fn index((rows, columns): (i64, i64), class_token: bool) -> Result<Tensor, TchError> {
    let count = offsets(rows) * offsets(columns);
    let positions: Vec<(i64, i64)> = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).collect();
    let mut index = Vec::new();
    if class_token {
        index.push(count + 2);
        index.extend(positions.iter().map(|_| count));
    }
    for (y, x) in &positions {
        if class_token {
            index.push(count + 1);
        }
        let place = |(v, u): &(i64, i64)| (y - v + rows - 1) * offsets(columns) + x - u + columns - 1;
        index.extend(positions.iter().map(place));
    }
    Tensor::f_from_slice(&index)
}

/// A `table` (places, heads) made for a square window, for a `window` of rows and columns: by linear interpolation between
/// places that lie as a geometric progression, denser in the middle, as BEiT's fine-tuning does (timm's
/// `resize_rel_pos_bias_table`). The class token's places stay as they are. `None` when no square window has such a table.
pub(crate) fn resize_table(
    table: &Tensor,
    window: (i64, i64),
    class_token: bool,
) -> Result<Option<Tensor>, TchError> {
    let (places, heads) = table.size2()?;
    let count = places - extra(class_token);
    let (rows, columns) = (offsets(window.0), offsets(window.1));
    let side = (count.max(0) as f64).sqrt().round() as i64;
    if side * side != count || side % 2 == 0 {
        return Ok((count == rows * columns).then(|| table.shallow_clone()));
    }
    if (side, side) == (rows, columns) {
        return Ok(Some(table.shallow_clone()));
    }
    let (y, x) = (interpolation(side, rows)?, interpolation(side, columns)?);
    let grid = table.f_narrow(0, 0, count)?.f_to_kind(Kind::Float)?.f_tr()?.f_reshape([heads, side, side])?;
    let resized = y.f_matmul(&grid)?.f_matmul(&x.f_tr()?)?.f_reshape([heads, -1])?.f_tr()?;
    let resized = resized.f_to_kind(table.kind())?;
    Ok(Some(Tensor::f_cat(&[resized, table.f_narrow(0, count, places - count)?], 0)?))
}

/// The matrix (new, old) of linear interpolation from `old` geometrically spaced positions to `new` even ones, both odd
/// and centred on 0.
fn interpolation(old: i64, new: i64) -> Result<Tensor, TchError> {
    let (half_old, half_new) = ((old / 2) as i32, new / 2);
    // The ratio for which 1 + q + q² + ... reaches the new border.
    let (mut left, mut right) = (1.01_f64, 1.5_f64);
    let mut ratio = right;
    while right - left > 1e-6 {
        ratio = (left + right) / 2.0;
        match (1.0 - ratio.powi(half_old)) / (1.0 - ratio) > half_new as f64 {
            true => right = ratio,
            false => left = ratio,
        }
    }
    let mut positions = vec![0.0_f64];
    let mut reached = 1.0;
    for i in 0..half_old {
        positions.push(reached);
        positions.insert(0, -reached);
        reached += ratio.powi(i + 1);
    }
    let mut matrix = vec![0.0_f32; (old * new) as usize];
    for (row, target) in matrix.chunks_mut(old as usize).zip(-half_new..) {
        let target = target as f64;
        let right = positions.partition_point(|p| *p < target);
        match right {
            0 => row[0] = 1.0,
            right if right == positions.len() => row[right - 1] = 1.0,
            right => {
                let (a, b) = (positions[right - 1], positions[right]);
                let share = (target - a) / (b - a);
                row[right - 1] = (1.0 - share) as f32;
                row[right] = share as f32;
            }
        }
    }
    Tensor::f_from_slice(&matrix)?.f_reshape([new, old])
}
