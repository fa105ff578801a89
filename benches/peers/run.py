"""visrep beside its peers, in turns, in one run: `cargo xtask bench peers` builds, sets up and calls this.

See ../README.md for what is measured and how. Writes target/visrep/peers/results.json, a list of {bench, unit, ours, peer,
peer_name, ratio, limit} in which a ratio above 1 means that visrep is faster, and beside it environment.json and
measurements.json. A ratio below its limit is a result; the exit status is 1 only if something could not be measured.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import shlex
import sys
from pathlib import Path

from peer.surroundings import OUTPUT, asked_for, limit_threads

# Before any library is loaded: what is measured for each core runs on one thread.
limit_threads(os.environ, 1)
# It would ask a server for newer versions.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

BENCHES = {
    "decode": ("jpeg", "decode", "JPEG to RGB, whole images: simplejpeg, OpenCV, torchvision, Pillow"),
    "crop": ("jpeg", "crop", "JPEG, RandomResizedCrop(224), flip: libjpeg-turbo, torchvision, OpenCV, albumentations, Pillow"),
    "resize": ("jpeg", "resize", "crop of a decoded image to 224: Pillow, OpenCV, torchvision"),
    "views": ("views", "run", "SimCLR's two views from JPEG: lightly, albumentations, OpenCV"),
    "loader": ("loader", "run", "normalised float batches, 2 workers, wall time: DataLoader (tf.data)"),
    "ops": ("ops", "run", "every augmentation operation: Pillow, OpenCV, torchvision, kornia"),
    "corruptions": ("corruptions", "run", "ImageNet-C's corruptions: imagecorruptions"),
    "imagenet-c": ("corruptions", "whole_set", "all 50,000 x 75 images of ImageNet-C, projected"),
    "adamw": ("training", "adamw", "AdamW's step on ViT-S/16: tch, torch.optim"),
    "probe": ("probe", "run", "kNN, few-shot ridge and logistic regression on features: scikit-learn, PyTorch"),
    "train": ("epoch", "run", "epochs of SimCLR from Parquet, loading included: lightly"),
    "distances": ("distances", "run", "LPIPS, the Frechet distance, precision and recall: lpips, torch-fidelity"),
    "features": ("evaluation", "features", "JPEG files to features of ResNet-50 and ViT-S/16: timm, DataLoader"),
    "evaluation": ("evaluation", "corruptions", "a network's errors under ImageNet-C's corruptions, made on the fly: imagecorruptions, timm"),
    "models": ("training", "models", "inference and training steps in fp32 and bf16, on GPUs too: timm in eager PyTorch"),
}


def worker(name, settings, corpora, output):
    """One bench in a process of its own: what a peer changes or breaks stays in it."""
    from peer.measure import Bench

    module, function, _ = BENCHES[name]
    bench = Bench(name, settings)
    try:
        getattr(importlib.import_module(f"peer.{module}"), function)(bench, corpora)
    except (Exception, SystemExit) as error:
        bench.fail(f"{name}: {type(error).__name__}: {error}")
    parts = {"rows": bench.rows, "details": bench.details, "failures": bench.failures, "skipped": bench.skipped}
    Path(output).write_text(json.dumps(parts))


def run(name, settings, corpora):
    output = OUTPUT / f"{name}.part"
    output.unlink(missing_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=worker, args=(name, settings, corpora, str(output)))
    process.start()
    process.join()
    if not output.exists():
        return {"rows": [], "details": [], "skipped": [], "failures": [f"{name}: ended with status {process.exitcode}"]}
    parts = json.loads(output.read_text())
    output.unlink()
    return parts


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask bench peers")
    parser.add_argument("--data", metavar="DIR")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--tensorflow", action="store_true")
    settings = parser.parse_args()
    if settings.rounds < 1 or settings.images < 1 or not settings.seconds > 0:
        parser.error("--rounds and --images must be at least 1, --seconds more than 0")
    for word in settings.only:
        if word.split("/")[0] not in BENCHES:
            parser.error(f"no bench {word}: there are {', '.join(BENCHES)}")
    return settings


def main():
    settings = arguments()
    if settings.list:
        for name, (*_, text) in BENCHES.items():
            print(f"{name:<12} {text}")
        return 0
    from peer import corpus, machine
    from peer.measure import TABLE_HEAD

    OUTPUT.mkdir(parents=True, exist_ok=True)
    environment = machine.describe("cargo xtask bench peers " + shlex.join(sys.argv[1:]))
    environment["warning"] = machine.busy()
    if environment["warning"]:
        print(environment["warning"], file=sys.stderr)
    corpora = corpus.prepare(settings.data, settings.images)
    environment["corpora"] = [
        {name: getattr(c, name) for name in ("name", "images", "mean_bytes", "mean_megapixels")} for c in corpora.values()
    ]
    environment |= {"rounds": settings.rounds, "seconds": settings.seconds}
    for c in corpora.values():
        print(f"{c.name}: {c.images} JPEGs, mean {c.mean_bytes / 1e3:.0f} KB, {c.mean_megapixels:.2f} Mpx")
    print(TABLE_HEAD)
    parts = [run(name, settings, corpora) for name in BENCHES if asked_for(settings.only, name)]
    lists = ("rows", "details", "skipped", "failures")
    rows, details, skipped, failures = (sum((part[key] for part in parts), []) for key in lists)
    environment |= {"load_average_after": machine.load(), "not_measured": skipped, "failures": failures}
    for name, content in {"results": rows, "measurements": details, "environment": environment}.items():
        (OUTPUT / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    summary(rows, failures)
    return 1 if failures else 0


def summary(rows, failures):
    from peer.measure import table_line

    below = [row for row in rows if row["limit"] is not None and row["ratio"] < row["limit"]]
    limited = sum(row["limit"] is not None for row in rows)
    print(f"\n{limited - len(below)} of {limited} rows reach their limit; {OUTPUT / 'results.json'}")
    for row in below:
        print(table_line(row))
    for failure in failures:
        print(f"could not be measured: {failure}")


if __name__ == "__main__":
    sys.exit(main())
