"""Writes table.rs: timm's evaluation transform and licence for every tag of the architectures below.

Run with timm 1.0.31 installed: python export.py
"""

from pathlib import Path

import timm
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg
from timm.models._registry import _model_default_cfgs

ARCHITECTURES = [
    "resnet18",
    "resnet34",
    "resnet50",
    "vit_tiny_patch16_224",
    "vit_small_patch16_224",
    "vit_base_patch16_224",
]
STATISTICS = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "IMAGENET",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "HALF",
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): "CLIP",
}

assert timm.__version__ == "1.0.31", timm.__version__
rows = []
for name in ARCHITECTURES:
    tags = list(_model_default_cfgs[name].tags)
    assert get_pretrained_cfg(name).tag == tags[0], "the default tag comes first"
    for tag in tags:
        cfg = get_pretrained_cfg(f"{name}.{tag}")
        data = resolve_data_config(pretrained_cfg=cfg.to_dict())
        assert data["crop_mode"] == "center", "another crop mode needs a field in Preprocessing"
        assert data["input_size"][0] == 3 and data["input_size"][1] == data["input_size"][2]
        statistics = STATISTICS[tuple(data["mean"]), tuple(data["std"])]
        licence = f'Some("{cfg.license}")' if cfg.license else "None"
        rows.append(
            f'    row(("{name}", "{tag}"), ({data["input_size"][1]}, {float(data["crop_pct"])}), '
            f'{data["interpolation"].capitalize()}, {statistics}, {cfg.num_classes}, {licence}),'
        )

Path(__file__).with_name("table.rs").write_text(
    f"""//! Written by export.py from timm {timm.__version__}; not edited by hand.

use super::{{CLIP, HALF, IMAGENET, Pretrained, row}};
use crate::preprocessing::Interpolation::{{Bicubic, Bilinear}};

/// Every tag; each architecture's default comes first.
#[rustfmt::skip]
pub(crate) const TABLE: &[Pretrained] = &[
"""
    + "\n".join(rows)
    + "\n];\n"
)
