//! Other publishers' weight files turned into these networks': names and layouts first (`names`, `flax`), then what follows
//! from another head, patch or image.

mod flax;
mod names;
mod sizes;
#[cfg(test)]
mod tests;

use super::config::{Config, FinalNorm, Resampling};
use crate::{Error, ModelOptions};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A file's tensors, by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// What [`crate::arch::Config::adapt`] does for vision transformers.
pub(super) fn adapt(
    config: &Config,
    options: &ModelOptions,
    tensors: &mut Tensors,
    target: &Tensors,
) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    let mut filter = config.resampling;
    if let Some(prefix) = flax::prefix(tensors) {
        flax::convert(tensors, &prefix)?;
        // What timm resamples these files with.
        filter = Resampling::Bilinear;
        notes.push("renamed from big_vision's names".into());
    } else if let Some(whose) = names::rename(tensors)? {
        notes.push(format!("renamed from {whose}"));
    }
    join_projections(tensors)?;
    drop_unused(tensors, target, &mut notes);
    complete_head(tensors, target, &mut notes)?;
    if config.final_norm == FinalNorm::Pooled && !tensors.contains_key("fc_norm.weight") {
        for part in ["weight", "bias"] {
            if let Some(tensor) = tensors.remove(&format!("norm.{part}")) {
                tensors.insert(format!("fc_norm.{part}"), tensor);
                notes.push(format!(
                    "read `norm.{part}` as `fc_norm.{part}`: this network normalises after pooling"
                ));
            }
        }
    }
    sizes::patches(tensors, target, filter, &mut notes)?;
    sizes::positions(config, options, tensors, target, filter, &mut notes)?;
    Ok(notes)
}

/// Joins queries', keys' and values' projections kept apart into `qkv` (and `kv` of the attention pool), and a gate and
/// its value into `fc1`.
fn join_projections(tensors: &mut Tensors) -> Result<(), Error> {
    let joint: [(&[&str], &str); 3] = [
        (&["attn.q", "attn.k", "attn.v"], "attn.qkv"),
        (&["attn_pool.k", "attn_pool.v"], "attn_pool.kv"),
        (&["mlp.gate", "mlp.value"], "mlp.fc1"),
    ];
    for (parts, whole) in joint {
        for kind in ["weight", "bias"] {
            let first = format!("{}.{kind}", parts[0]);
            let found: Vec<String> = tensors
                .keys()
                .filter_map(|name| name.strip_suffix(&first))
                .filter(|path| path.is_empty() || path.ends_with('.'))
                .map(str::to_owned)
                .collect();
            for path in found {
                let names: Vec<String> = parts.iter().map(|part| format!("{path}{part}.{kind}")).collect();
                if names.iter().all(|name| tensors.contains_key(name)) {
                    let pieces: Vec<Tensor> = names.iter().filter_map(|name| tensors.remove(name)).collect();
                    tensors.insert(format!("{path}{whole}.{kind}"), Tensor::f_cat(&pieces, 0)?);
                }
            }
        }
    }
    Ok(())
}

/// What pre-training needs and the network does not have: MAE's decoder, mask tokens, projection heads.
fn drop_unused(tensors: &mut Tensors, target: &Tensors, notes: &mut Vec<String>) {
    let unused = |name: &str| {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        match first {
            "mask_token" | "pooler" => true,
            // Between pooling and classifier: without it a classifier reads what it was not trained on.
            "pre_logits" => !target.contains_key("head.weight"),
            // A perceptron in the head's place: MoCo v3's, DINO's and others' projections.
            "head" => {
                rest.starts_with(|c: char| c.is_ascii_digit())
                    || ["mlp.", "last_layer."].iter().any(|part| rest.starts_with(part))
            }
            _ => first.starts_with("decoder_"),
        }
    };
    let dropped: Vec<String> =
        tensors.keys().filter(|name| unused(name) && !target.contains_key(*name)).cloned().collect();
    for name in &dropped {
        tensors.remove(name);
    }
    if let Some(first) = dropped.first() {
        let more = match dropped.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        notes.push(format!("left out what only pre-training uses: `{first}`{more}"));
    }
}

/// CLIP's projections have no bias; a classifier here has one.
fn complete_head(tensors: &mut Tensors, target: &Tensors, notes: &mut Vec<String>) -> Result<(), Error> {
    let Some(weight) = tensors.get("head.weight").filter(|weight| weight.dim() == 2) else { return Ok(()) };
    if target.contains_key("head.bias") && !tensors.contains_key("head.bias") {
        let bias = Tensor::f_zeros([weight.size()[0]], (weight.kind(), weight.device()))?;
        tensors.insert("head.bias".into(), bias);
        notes.push("the classifier has no bias in the file: zeros".into());
    }
    Ok(())
}

/// `x` in f32, for arithmetic.
fn float(x: &Tensor) -> Result<Tensor, Error> {
    Ok(x.f_to_kind(Kind::Float)?)
}
