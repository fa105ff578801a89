//! Patch kernels and position embeddings of another size.

use super::{Tensors, float};
use crate::families::vit::config::{Config, Resampling};
use crate::families::vit::resample;
use crate::{Error, ModelOptions};
use tch::Tensor;

const PATCHES: &str = "patch_embed.proj.weight";
const POSITIONS: &str = "pos_embed";

/// Brings the patch kernels to the network's patch side; linear maps of flattened patches (C, I · P · P) become
/// kernels (C, I, P, P).
pub(super) fn patches(
    tensors: &mut Tensors,
    target: &Tensors,
    filter: Resampling,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let (Some(kernel), Some(wanted)) = (tensors.get(PATCHES), target.get(PATCHES)) else { return Ok(()) };
    let (size, wanted) = (kernel.size(), wanted.size());
    if size.len() == 2 && wanted.len() == 4 && size[1] == wanted[1..].iter().product::<i64>() {
        let kernel = kernel.f_reshape(&wanted)?;
        tensors.insert(PATCHES.into(), kernel);
        return Ok(());
    }
    let (&[_, _, rows, columns], &[_, _, side, _]) = (size.as_slice(), wanted.as_slice()) else {
        return Ok(());
    };
    if rows != columns || rows == side || rows < 1 {
        return Ok(());
    }
    let matrix = resample::kernel_matrix(rows, side, filter)?.f_to_device(kernel.device())?;
    let resampled = resample::kernels(kernel, &matrix, side)?;
    tensors.insert(PATCHES.into(), resampled);
    notes.push(format!("resampled the patch kernels from {rows}x{rows} to {side}x{side} pixels"));
    Ok(())
}

/// Brings the position embeddings to the network's grid. A position of the class token that the network does not have is
/// added to the token itself; a fixed table that the file lacks is made.
pub(super) fn positions(
    config: &Config,
    options: &ModelOptions,
    tensors: &mut Tensors,
    target: &Tensors,
    filter: Resampling,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let patch = options.patch_size.unwrap_or(config.patch);
    let (rows, columns) = options.image_size.unwrap_or((config.image, config.image));
    let grid = (rows / patch, columns / patch);
    let prefix = if config.prefix_positions { config.prefix_tokens() } else { 0 };
    let Some(file) = tensors.get(POSITIONS) else {
        if let Some(table) = config.table()
            && !tensors.is_empty()
            && target.contains_key(POSITIONS)
        {
            let patches = table.make(grid, config.width)?;
            let zeros = Tensor::f_zeros([1, prefix, config.width], (patches.kind(), patches.device()))?;
            tensors.insert(POSITIONS.into(), Tensor::f_cat(&[zeros, patches], 1)?);
            notes.push("the file has no position embeddings: made the fixed table".into());
        }
        return Ok(());
    };
    let &[1, tokens, width] = file.size().as_slice() else { return Ok(()) };
    // The file's grid: as large as the network's, or a square beside the network's prefix, another's, or none.
    let own = (tokens == prefix + grid.0 * grid.1 && grid.0 == grid.1).then_some((prefix, grid));
    let square = [prefix, 1, 0, 2].into_iter().find_map(|prefix| {
        let side = ((tokens - prefix).max(0) as f64).sqrt().round() as i64;
        (side > 0 && side * side == tokens - prefix).then_some((prefix, (side, side)))
    });
    let Some((file_prefix, from)) = own.or(square) else { return Ok(()) };
    if (file_prefix, from) == (prefix, grid) {
        return Ok(());
    }
    let file = float(file)?;
    let patches = file.f_narrow(1, file_prefix, from.0 * from.1)?;
    let patches = resample::positions(&patches, from, grid, filter)?;
    if from != grid {
        notes.push(format!(
            "resampled the position embeddings from {}x{} to {}x{} patches",
            from.0, from.1, grid.0, grid.1
        ));
    }
    let leading = file.f_narrow(1, 0, file_prefix)?;
    let adapted = match (file_prefix, prefix) {
        (a, b) if a == b => Tensor::f_cat(&[leading, patches], 1)?,
        (_, 0) => {
            match tensors.get("cls_token") {
                Some(token) if config.class_token => {
                    let token = float(token)?.f_add(&leading.f_narrow(1, 0, 1)?)?;
                    tensors.insert("cls_token".into(), token);
                    notes.push("added the class token's position to the token: it has none here".into());
                }
                _ => notes.push("left out the positions of tokens that are not here".into()),
            }
            patches
        }
        (0, more) => {
            notes.push("the tokens before the patches have no positions in the file: zeros".into());
            let zeros = Tensor::f_zeros([1, more, width], (patches.kind(), patches.device()))?;
            Tensor::f_cat(&[zeros, patches], 1)?
        }
        _ => return Ok(()),
    };
    tensors.insert(POSITIONS.into(), adapted);
    Ok(())
}
