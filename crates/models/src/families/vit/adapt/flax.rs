//! Files of the JAX code bases (google-research/vision_transformer and big_vision): paths with slashes, convolution
//! kernels (H, W, I, O), dense kernels (I, O), and projections with an axis for the heads.

use super::Tensors;
use crate::Error;
use tch::Tensor;

/// What comes before `embedding/kernel` in the names of such a file: `params/`, `params/img/`, `opt/target/`, nothing.
pub(super) fn prefix(tensors: &Tensors) -> Option<String> {
    tensors.keys().find_map(|name| name.strip_suffix("embedding/kernel")).map(str::to_owned)
}

/// Gives the image network's tensors timm's names and layout, and leaves out all others.
pub(super) fn convert(tensors: &mut Tensors, prefix: &str) -> Result<(), Error> {
    for (name, tensor) in std::mem::take(tensors) {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["embedding", kind] => put(tensors, "patch_embed.proj", kind, &tensor)?,
            ["cls"] => drop(tensors.insert("cls_token".into(), tensor)),
            ["pos_embedding"]
            | ["Transformer", "pos_embedding"]
            | ["Transformer", "posembed_input", "pos_embedding"] => {
                let width = tensor.size().last().copied().unwrap_or(1).max(1);
                tensors.insert("pos_embed".into(), tensor.f_reshape([1, -1, width])?);
            }
            ["Transformer", "encoder_norm", kind] => put(tensors, "norm", kind, &tensor)?,
            ["head", kind] => put(tensors, "head", kind, &tensor)?,
            ["pre_logits", kind] => put(tensors, "pre_logits.fc", kind, &tensor)?,
            ["MAPHead_0", "probe"] => drop(tensors.insert("attn_pool.latent".into(), tensor)),
            ["MAPHead_0", layer @ ..] => block(tensors, "attn_pool", layer, &tensor)?,
            // All blocks in one array, for a loop that is compiled once.
            ["Transformer", "encoderblock", layer @ ..] if tensor.dim() > 0 => {
                for i in 0..tensor.size()[0] {
                    block(tensors, &format!("blocks.{i}"), layer, &tensor.f_select(0, i)?)?;
                }
            }
            ["Transformer", encoder, layer @ ..] if encoder.starts_with("encoderblock_") => {
                let path = format!("blocks.{}", encoder.trim_start_matches("encoderblock_"));
                block(tensors, &path, layer, &tensor)?;
            }
            _ => drop(tensors.insert(name.replace('/', "."), tensor)),
        }
    }
    Ok(())
}

/// A tensor of one block, or of the attention pool, which has the same parts.
fn block(tensors: &mut Tensors, path: &str, layer: &[&str], tensor: &Tensor) -> Result<(), Error> {
    let pool = path == "attn_pool";
    let attention = if pool { path.to_owned() } else { format!("{path}.attn") };
    match layer {
        ["LayerNorm_0", kind] if pool => put(tensors, "attn_pool.norm", kind, tensor),
        ["LayerNorm_0", kind] => put(tensors, &format!("{path}.norm1"), kind, tensor),
        // 1 in big_vision, 2 before.
        [norm, kind] if norm.starts_with("LayerNorm_") => {
            put(tensors, &format!("{path}.norm2"), kind, tensor)
        }
        [mlp, "Dense_0", kind] if mlp.starts_with("MlpBlock_") => {
            put(tensors, &format!("{path}.mlp.fc1"), kind, tensor)
        }
        [mlp, "Dense_1", kind] if mlp.starts_with("MlpBlock_") => {
            put(tensors, &format!("{path}.mlp.fc2"), kind, tensor)
        }
        [_, "out", "kernel"] if tensor.dim() == 3 => {
            // (heads, d, C)
            let kernel = tensor.f_flatten(0, 1)?.f_transpose(0, 1)?;
            tensors.insert(format!("{attention}.proj.weight"), kernel);
            Ok(())
        }
        [_, "out", kind] => put(tensors, &format!("{attention}.proj"), kind, tensor),
        [_, projection @ ("query" | "key" | "value"), kind] => {
            let path = format!("{attention}.{}", &projection[..1]);
            match *kind {
                // (C, heads, d)
                "kernel" if tensor.dim() == 3 => put(tensors, &path, kind, &tensor.f_flatten(1, 2)?),
                "bias" => put(tensors, &path, kind, &tensor.f_flatten(0, -1)?),
                _ => put(tensors, &path, kind, tensor),
            }
        }
        _ => {
            tensors.insert(format!("{path}.{}", layer.join(".")), tensor.shallow_clone());
            Ok(())
        }
    }
}

/// Inserts a layer's `kernel`, `scale` or `bias` with PyTorch's axes.
fn put(tensors: &mut Tensors, path: &str, kind: &str, tensor: &Tensor) -> Result<(), Error> {
    let (kind, tensor) = match (kind, tensor.dim()) {
        ("kernel", 2) => ("weight", tensor.f_transpose(0, 1)?),
        ("kernel", 4) => ("weight", tensor.f_permute([3, 2, 0, 1])?),
        ("kernel" | "scale", _) => ("weight", tensor.shallow_clone()),
        (kind, _) => (kind, tensor.shallow_clone()),
    };
    tensors.insert(format!("{path}.{kind}"), tensor);
    Ok(())
}
