//! The prefixes that training code puts before a model's own names: `module.` of a parallel wrapper, `backbone.` beside a
//! projection head, `encoder_q.` beside a momentum encoder.

use super::list;
use super::state::Contents;
use std::collections::BTreeMap;

/// Prefixes that begin no name of any architecture: what has one of them is the model, what has not is beside it. The
/// preferred first: averaged weights before what they average, teachers before students, the trained encoder of a momentum
/// pair before the slow one, as those who published each evaluate them.
const ALWAYS: [&str; 26] = [
    "_orig_mod.",
    "module.",
    "state_dict_ema.",
    "model_ema.",
    "ema_model.",
    "state_dict.",
    "teacher_backbone.",
    "teacher.",
    "teacher_model.",
    "base_encoder.",
    "encoder_q.",
    "online_encoder.",
    "online_network.",
    "backbone.",
    "student_backbone.",
    "student.",
    "momentum_encoder.",
    "encoder_k.",
    "target_encoder.",
    "_forward_module.",
    "_fsdp_wrapped_module.",
    "opt/target/",
    "optimizer/target/",
    "target/",
    "params/",
    "img/",
];
/// Prefixes that could be a part's own name: taken off when nearly all tensors have them.
const MOSTLY: [&str; 3] = ["model.", "net.", "base_model."];
/// Prefixes that are a part's own name elsewhere (`encoder.` in torchvision's ViT, `vit.` in transformers') and of the whole
/// model when one of the stems follows, as `encoder.` in SimSiam's checkpoints.
const BEFORE_STEMS: [&str; 4] = ["encoder.", "vit.", "visual.trunk.", "trunk."];
const STEMS: [&str; 4] = ["conv1.weight", "conv1.0.weight", "patch_embed.proj.weight", "stem.0.weight"];
/// Prefixes lie within prefixes, never deeper than this.
const MAX_ROUNDS: usize = 8;

/// Takes the prefixes off, one after the other, and notes each.
pub(super) fn strip(contents: &mut Contents) {
    for _ in 0..MAX_ROUNDS {
        let Some(prefix) = find(contents) else { return };
        let beside = take(&mut contents.tensors, prefix);
        let beside_unread = take(&mut contents.unread, prefix);
        let beside: Vec<_> = beside.iter().chain(&beside_unread).map(|name| format!("`{name}`")).collect();
        contents.notes.push(match beside.is_empty() {
            true => format!("stripped `{prefix}`"),
            false => format!("took `{prefix}`, left out {}", list(&beside)),
        });
    }
}

/// The next prefix to take off.
fn find(contents: &Contents) -> Option<&'static str> {
    let names = || contents.tensors.keys().chain(contents.unread.keys());
    let total = names().count();
    let with = |prefix: &str| names().filter(|name| name.starts_with(prefix)).count();
    ALWAYS
        .into_iter()
        .find(|prefix| with(prefix) > 0)
        .or_else(|| MOSTLY.into_iter().find(|prefix| 10 * with(prefix) > 9 * total))
        .or_else(|| {
            let before_stem = |prefix: &str, name: &String| {
                name.strip_prefix(prefix).is_some_and(|rest| STEMS.contains(&rest))
            };
            BEFORE_STEMS.into_iter().find(|prefix| names().any(|name| before_stem(prefix, name)))
        })
}

/// Keeps what has the prefix, without it; returns the names of the rest.
fn take<T>(named: &mut BTreeMap<String, T>, prefix: &str) -> Vec<String> {
    let mut beside = Vec::new();
    for (name, value) in std::mem::take(named) {
        match name.strip_prefix(prefix) {
            Some(rest) => drop(named.insert(rest.to_owned(), value)),
            None => beside.push(name),
        }
    }
    beside
}
