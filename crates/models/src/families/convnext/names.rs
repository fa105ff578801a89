//! The names of other publishers: the authors' (V1, and V2's dense checkpoints) and open_clip's.

use crate::Error;
use std::collections::BTreeMap;
use tch::Tensor;

/// Renames what the authors or open_clip called otherwise, and gives pointwise layers and GRN the shapes of `target`.
pub(super) fn adapt(
    tensors: &mut BTreeMap<String, Tensor>,
    target: &BTreeMap<String, Tensor>,
) -> Result<Vec<String>, Error> {
    let clip = tensors.contains_key("visual.trunk.stem.0.weight");
    if !clip && !tensors.contains_key("downsample_layers.0.0.weight") {
        return Ok(Vec::new());
    }
    for (name, tensor) in std::mem::take(tensors) {
        let renamed = if clip { from_open_clip(&name) } else { Some(from_authors(&name)) };
        let Some(renamed) = renamed else { continue };
        let tensor = match target.get(&renamed) {
            Some(own) if own.numel() == tensor.numel() => tensor.f_reshape(own.size())?,
            _ => tensor,
        };
        tensors.insert(renamed, tensor);
    }
    if !clip {
        return Ok(vec!["renamed from the authors' names".into()]);
    }
    // A projection has no bias, a classifier has.
    if let Some(weight) = tensors.get("head.fc.weight") {
        let bias = Tensor::f_zeros([weight.size()[0]], (weight.kind(), weight.device()))?;
        tensors.entry("head.fc.bias".into()).or_insert(bias);
    }
    Ok(vec!["open_clip's image tower, its projection as classifier with a bias of 0".into()])
}

/// timm's name for a parameter of the authors' code; what is the same stays.
fn from_authors(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let parts = match parts[..] {
        ["downsample_layers", "0", index, last] => vec!["stem", index, last],
        ["downsample_layers", stage, index, last] => vec!["stages", stage, "downsample", index, last],
        ["norm", last] => vec!["head", "norm", last],
        ["head", last] => vec!["head", "fc", last],
        ["stages", stage, block, ref inner @ ..] => {
            let inner = match inner {
                ["dwconv", last] => vec!["conv_dw", *last],
                ["pwconv1", last] => vec!["mlp", "fc1", *last],
                ["pwconv2", last] => vec!["mlp", "fc2", *last],
                ["grn", "gamma"] => vec!["mlp", "grn", "weight"],
                ["grn", "beta"] => vec!["mlp", "grn", "bias"],
                inner => inner.to_vec(),
            };
            [vec!["stages", stage, "blocks", block], inner].concat()
        }
        ref other => other.to_vec(),
    };
    parts.join(".")
}

/// timm's name for a parameter of a CLIP model's image tower; `None` for those of its other parts.
fn from_open_clip(name: &str) -> Option<String> {
    let name = name.strip_prefix("visual.")?;
    if let Some(rest) = name.strip_prefix("trunk.") {
        return Some(rest.into());
    }
    let (layer, last) = name.strip_prefix("head.")?.rsplit_once('.')?;
    let layer = match layer {
        "proj" | "mlp.fc2" => "head.fc",
        "mlp.fc1" => "head.pre_logits.fc",
        _ => return None,
    };
    Some(format!("{layer}.{last}"))
}
