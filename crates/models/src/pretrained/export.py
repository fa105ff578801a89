"""Writes table.tsv: the published weights of every architecture that architectures.txt names.

Most rows are timm's: its evaluation transform, where the weights lie, and their licence. The architectures that
timm has not are torchvision's, and the Inception network of FID. Top-1 is what timm measured, from
results/results-imagenet.csv of its repository at commit 4e5207c7bb6592474ca56e28b2cf85be8f1a550f; for
torchvision's own, what torchvision states. mod.rs explains the columns.

Run with timm 1.0.31 and torchvision 0.26 installed: python export.py results-imagenet.csv
"""

import csv
import hashlib
import re
import sys
from pathlib import Path

import timm
import torchvision
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg
from timm.models._registry import _model_default_cfgs

HERE = Path(__file__).parent
RESULTS_SHA256 = "30972bf7c7ab451bbd4480ec6116b13d0a84441c57bbc946896fd312264acfcd"
STATISTICS = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "half",
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): "clip",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "unit",
}
# Whole digests, by URL or hub repository, where public sources have them.
DIGESTS = dict(
    line.split("\t")[:2] for line in (HERE / "digests.tsv").read_text().splitlines() if not line.startswith("#")
)
# The Inception network that FID is defined by, as pytorch-fid converted it.
FID_URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
COLUMNS = (
    "architecture tag size crop_pct crop_mode interpolation statistics classes "
    "top1 test_size test_crop_pct test_top1 licence hub sha256 url url_sha256 origin"
).split()


def side(size):
    channels, height, width = size
    assert channels == 3 and height == width, size
    return height


def url_digest(url):
    """The SHA-256 of a published file, or its start, which torch.hub's convention puts before the file's ending."""
    found = re.search(r"-([0-9a-f]{8,64})\.(?:pth|pt|bin|safetensors)$", url or "")
    start, whole = found and found[1], DIGESTS.get(url)
    assert not (start and whole) or whole.startswith(start), url
    return whole or start


def published(path):
    """timm's top-1 by model, image size and crop."""
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == RESULTS_SHA256, "another version of the results"
    return {
        (row["model"], int(row["img_size"]), float(row["crop_pct"])): float(row["top1"])
        for row in csv.DictReader(data.decode().splitlines())
    }


def timm_rows(name, top1):
    tags = list(_model_default_cfgs[name].tags)
    assert (get_pretrained_cfg(name).tag or "") == tags[0], "the default tag comes first"
    for tag in tags:
        cfg = get_pretrained_cfg(f"{name}.{tag}" if tag else name)
        data = resolve_data_config(pretrained_cfg=cfg.to_dict())
        assert data["crop_mode"] in ("center", "squash"), "Preprocessing lacks this crop mode"
        assert not (cfg.file or cfg.hf_hub_filename or cfg.label_offset), "the table lacks a column"
        size, crop = side(data["input_size"]), float(data["crop_pct"])
        test_size = side(cfg.test_input_size) if cfg.test_input_size else size
        test_crop = float(cfg.test_crop_pct or crop)
        differs = (test_size, test_crop) != (size, crop)
        # `timm/` stands for timm's rule: the repository is called as the model is.
        hub = (cfg.hf_hub_id or "").removesuffix(f"{name}.{tag}")
        assert tag or not cfg.has_weights
        yield {
            "architecture": name,
            "tag": tag or "untrained",
            "size": size,
            "crop_pct": crop,
            "crop_mode": data["crop_mode"],
            "interpolation": data["interpolation"],
            "statistics": STATISTICS[tuple(data["mean"]), tuple(data["std"])],
            "classes": cfg.num_classes,
            "top1": top1.get((f"{name}.{tag}", size, crop)),
            "test_size": differs and test_size,
            "test_crop_pct": differs and test_crop,
            "test_top1": differs and top1.get((f"{name}.{tag}", test_size, test_crop)),
            "licence": cfg.license,
            "hub": hub,
            "sha256": DIGESTS.get(f"{hub}{name}.{tag}" if hub.endswith("/") else hub),
            "url": cfg.url,
            "url_sha256": url_digest(cfg.url),
            "origin": cfg.origin_url,
        }


def torchvision_row(name):
    (weights,) = torchvision.models.get_model_weights(name)
    transform = weights.transforms()
    (size,), (resize,) = transform.crop_size, transform.resize_size
    return {
        "architecture": name,
        "tag": "tv_in1k",
        "size": size,
        "crop_pct": size / resize,
        "crop_mode": "center",
        "interpolation": transform.interpolation.value,
        "statistics": STATISTICS[tuple(transform.mean), tuple(transform.std)],
        "classes": len(weights.meta["categories"]),
        "top1": weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
        "licence": "bsd-3-clause",
        "url": weights.url,
        "url_sha256": url_digest(weights.url),
        "origin": weights.meta["recipe"] if "recipe" in weights.meta else None,
    }


def fid_row(name):
    return {
        "architecture": name,
        "tag": "tf_2015_12_05",
        "size": 299,
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "interpolation": "bilinear",
        "statistics": "half",
        "classes": 1008,
        "licence": "apache-2.0",
        "url": FID_URL,
        "url_sha256": url_digest(FID_URL),
        "origin": "https://github.com/mseitzer/pytorch-fid",
    }


def main(results):
    assert timm.__version__ == "1.0.31", timm.__version__
    assert torchvision.__version__.startswith("0.26."), torchvision.__version__
    top1 = published(Path(results))
    names = [
        line for line in (HERE / "architectures.txt").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert len(names) == len(set(names)), "architectures.txt has a name twice"
    lines = [
        f"# Written by export.py from timm {timm.__version__} and torchvision 0.26; not edited by hand.",
        "\t".join(COLUMNS),
    ]
    for name in names:
        if name in _model_default_cfgs:
            rows = timm_rows(name, top1)
        else:
            rows = [fid_row(name) if name == "inception_v3_fid" else torchvision_row(name)]
        for row in rows:
            cells = (row.get(column) for column in COLUMNS)
            lines.append("\t".join("" if cell is None or cell is False else str(cell) for cell in cells))
    (HERE / "table.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
