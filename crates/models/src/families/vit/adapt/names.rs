//! The same parameters under other names.

use super::Tensors;
use crate::Error;
use tch::Tensor;

/// What is replaced in a name, in this order: the first part by the second.
type Rules = &'static [(&'static str, &'static str)];

/// A publisher's layout.
struct Layout {
    /// Who names parameters so.
    whose: &'static str,
    /// Part of a name that only this layout has.
    sign: &'static str,
    /// Only names that contain one of these are the image network's; the rest is left out. Empty: all are.
    within: &'static [&'static str],
    rules: Rules,
}

const DINOV2: Rules = &[
    ("vision_encoder.", ""),
    ("register_tokens", "reg_token"),
    ("mlp.w12.", "mlp.fc1."),
    ("mlp.w3.", "mlp.fc2."),
];

const LAYOUTS: &[Layout] = &[
    Layout {
        whose: "the names of transformers",
        sign: "embeddings.patch_embedding",
        within: &[],
        rules: &[
            ("vision_model.", ""),
            ("embeddings.cls_token", "cls_token"),
            ("embeddings.class_embedding", "cls_token"),
            ("embeddings.distillation_token", "dist_token"),
            ("embeddings.register_tokens", "reg_token"),
            ("embeddings.mask_token", "mask_token"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.position_embedding.weight", "pos_embed"),
            ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
            ("embeddings.patch_embedding.", "patch_embed.proj."),
            ("head.probe", "attn_pool.latent"),
            ("head.attention.in_proj_", "attn_pool.in_proj_"),
            ("head.attention.out_proj.", "attn_pool.proj."),
            ("head.layernorm.", "attn_pool.norm."),
            ("head.mlp.", "attn_pool.mlp."),
            ("encoder.layer.", "blocks."),
            ("encoder.layers.", "blocks."),
            ("layers.", "blocks."),
            ("attention.attention.", "attn."),
            ("attention.output.dense.", "attn.proj."),
            ("self_attn.", "attn."),
            ("attention.", "attn."),
            (".query.", ".q."),
            (".key.", ".k."),
            (".value.", ".v."),
            ("q_proj.", "q."),
            ("k_proj.", "k."),
            ("v_proj.", "v."),
            ("attn.o_proj.", "attn.proj."),
            ("attn.out_proj.", "attn.proj."),
            ("intermediate.dense.", "mlp.fc1."),
            ("output.dense.", "mlp.fc2."),
            ("mlp.weights_in.", "mlp.fc1."),
            ("mlp.weights_out.", "mlp.fc2."),
            ("mlp.gate_proj.", "mlp.gate."),
            ("mlp.up_proj.", "mlp.value."),
            ("mlp.down_proj.", "mlp.fc2."),
            ("layernorm_before.", "norm1."),
            ("layernorm_after.", "norm2."),
            ("layer_norm1.", "norm1."),
            ("layer_norm2.", "norm2."),
            ("layer_scale1.lambda1", "ls1.gamma"),
            ("layer_scale2.lambda1", "ls2.gamma"),
            ("pre_layrnorm.", "norm_pre."),
            ("post_layernorm.", "norm."),
            ("layernorm.", "norm."),
            ("cls_classifier.", "head."),
            ("distillation_classifier.", "head_dist."),
            ("classifier.", "head."),
            ("visual_projection.", "head."),
            ("vit.", ""),
            ("deit.", ""),
            ("dinov2_with_registers.", ""),
            ("dinov2.", ""),
        ],
    },
    Layout {
        whose: "torchvision's names",
        sign: "conv_proj.",
        within: &[],
        rules: &[
            ("class_token", "cls_token"),
            ("conv_proj.", "patch_embed.proj."),
            ("encoder.pos_embedding", "pos_embed"),
            ("encoder.layers.encoder_layer_", "blocks."),
            ("encoder.ln.", "norm."),
            ("ln_1.", "norm1."),
            ("ln_2.", "norm2."),
            ("self_attention.in_proj_", "attn.qkv."),
            ("self_attention.out_proj.", "attn.proj."),
            ("mlp.linear_1.", "mlp.fc1."),
            ("mlp.linear_2.", "mlp.fc2."),
            ("mlp.0.", "mlp.fc1."),
            ("mlp.3.", "mlp.fc2."),
            ("heads.head.", "head."),
        ],
    },
    Layout {
        whose: "OpenCLIP's names around timm's",
        sign: "visual.trunk.",
        within: &["visual."],
        rules: &[("visual.trunk.", ""), ("visual.head.proj.", "head.")],
    },
    Layout {
        whose: "OpenAI CLIP's names",
        sign: "visual.class_embedding",
        within: &["visual."],
        rules: &[
            ("visual.", ""),
            ("conv1.", "patch_embed.proj."),
            ("class_embedding", "cls_token"),
            ("positional_embedding", "pos_embed"),
            ("transformer.resblocks.", "blocks."),
            ("ln_pre.", "norm_pre."),
            ("ln_post.", "norm."),
            ("ln_1.", "norm1."),
            ("ln_2.", "norm2."),
            ("attn.in_proj_", "attn.qkv."),
            ("attn.out_proj.", "attn.proj."),
            ("mlp.c_fc.", "mlp.fc1."),
            ("mlp.c_proj.", "mlp.fc2."),
        ],
    },
    Layout {
        whose: "TIPS v2's names",
        sign: "vision_encoder.mask_token",
        within: &["vision_encoder."],
        rules: DINOV2,
    },
    Layout { whose: "DINOv2's names", sign: "mask_token", within: &[], rules: DINOV2 },
    Layout {
        whose: "DeiT III's names",
        sign: ".gamma_1",
        within: &[],
        rules: &[("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma")],
    },
];

/// Renames `tensors` from the first layout that they show; says whose that is.
pub(super) fn rename(tensors: &mut Tensors) -> Result<Option<&'static str>, Error> {
    let shows = |layout: &&Layout| tensors.keys().any(|name| name.contains(layout.sign));
    let Some(layout) = LAYOUTS.iter().find(shows) else { return Ok(None) };
    let text =
        |name: &str| ["text_model.", "text_projection", "logit_"].iter().any(|part| name.starts_with(part));
    let mut changed = false;
    for (name, tensor) in std::mem::take(tensors) {
        let part = layout.within.is_empty() || layout.within.iter().any(|prefix| name.contains(prefix));
        if !part || text(&name) {
            continue;
        }
        let mut new = name.clone();
        for (from, to) in layout.rules {
            new = replace(&new, from, to);
        }
        changed |= new != name;
        insert(tensors, new, tensor)?;
    }
    Ok(changed.then_some(layout.whose))
}

/// Replaces `from` where it begins a part of the name, or goes on with the `.` it begins with.
fn replace(name: &str, from: &str, to: &str) -> String {
    let begins = |at: usize| from.starts_with('.') || at == 0 || name.as_bytes()[at - 1] == b'.';
    match name.match_indices(from).find(|(at, _)| begins(*at)) {
        Some((at, _)) => format!("{}{to}{}", &name[..at], &name[at + from.len()..]),
        None => name.into(),
    }
}

/// Inserts a renamed tensor in timm's layout.
fn insert(tensors: &mut Tensors, name: String, tensor: Tensor) -> Result<(), Error> {
    match name.as_str() {
        // OpenAI's projection is applied from the right.
        "proj" => drop(tensors.insert("head.weight".into(), tensor.f_transpose(0, 1)?)),
        "attn_pool.in_proj_weight" | "attn_pool.in_proj_bias" => {
            let kind = name.rsplit('_').next().unwrap_or_default();
            let width = tensor.size()[0] / 3;
            for (part, start, length) in [("q", 0, width), ("kv", width, 2 * width)] {
                tensors.insert(format!("attn_pool.{part}.{kind}"), tensor.f_narrow(0, start, length)?);
            }
        }
        "cls_token" | "pos_embed" => {
            let width = tensor.size().last().copied().unwrap_or(0);
            let tensor = match width {
                0 => tensor,
                width => tensor.f_reshape([1, -1, width])?,
            };
            tensors.insert(name, tensor);
        }
        _ => drop(tensors.insert(name, tensor)),
    }
    Ok(())
}
