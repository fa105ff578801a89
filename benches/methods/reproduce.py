"""Trains visrep's CIFAR-10 recipes and lightly's benchmark side by side and compares their kNN accuracy.

    python benches/methods/reproduce.py --train TRAIN.parquet --test TEST.parquet     # all methods, seed 0; --help for more

Both sides get the same images, batches of 128, learning rates, epochs and seeds, and are measured by the same kNN (k = 200, T = 0.1, cosine) on the
features of the trained backbone. Results are kept in `target/visrep/reproduction/results.jsonl`: what is there is not run again. Needs lightly,
pyarrow and torchvision at the versions of `benches/peers/requirements.txt`, and `cargo build --package visrep`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
import tomllib
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "target/visrep/reproduction"
SIDES = ("visrep", "lightly")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", required=True, help="training images, Parquet of the Hugging Face layout")
    parser.add_argument("--test", required=True, help="test images")
    parser.add_argument("--methods", nargs="+", default=[], help="such as simclr or moco-v2 [default: all]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=10_000, help="training images, spread over the file")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr-scale", type=float, default=1.0, help="multiplies both sides' learning rates")
    parser.add_argument("--width", type=int, default=16, choices=(16, 64), help="channels of the first convolution")
    return parser.parse_args()


def subset(path, count, name):
    """`count` rows at equal distances, as a file that both sides read."""
    table = parquet.read_table(path)
    rows = np.linspace(0, len(table) - 1, min(count, len(table))).astype(int)
    target = OUTPUT / f"{name}-{len(rows)}.parquet"
    parquet.write_table(table.take(rows), target)
    return target


def visrep(*words):
    library = {"LD_LIBRARY_PATH": str(ROOT / "target/libtorch/lib")}
    binary = ROOT / "target/debug/visrep"
    subprocess.run([binary, *map(str, words)], check=True, env=os.environ | library, stderr=subprocess.DEVNULL)


def ours(settings, method, seed, train, test):
    """Features of the training and of the test images, and the seconds of training."""
    model = "resnet18_cifar" if settings.width == 64 else f"resnet18_cifar_w{settings.width}"
    run = OUTPUT / f"run-{method}-{seed}"
    shutil.rmtree(run, ignore_errors=True)
    recipe = tomllib.loads((ROOT / f"crates/train/recipes/{method}-cifar10.toml").read_text())
    rate = recipe["schedule"]["lr"] * settings.lr_scale
    changes = [f"model.name={model}", f"schedule.length={settings.epochs} epochs", f"schedule.lr={rate:g}"]
    start = time.monotonic()
    options = [option for change in changes for option in ("--set", change)]
    visrep("train", f"{method}-cifar10", "--data", train, "--out", run, "--seed", seed, *options)
    seconds = time.monotonic() - start
    found = []
    for part, data in (("train", train), ("test", test)):
        output = run / f"{part}.parquet"
        weights = run / "model.safetensors"
        visrep("embed", "--model", model, "--weights", weights, "--data", data, "--output", output)
        table = parquet.read_table(output)
        features = np.stack(table["features"].to_numpy(zero_copy_only=False))
        found.append((torch.from_numpy(features), torch.from_numpy(table["label"].to_numpy().astype(np.int64))))
    return found, seconds


def theirs(settings, method, seed, train, test):
    import lightly_peer

    start = time.monotonic()
    backbone = lightly_peer.train(method, train, settings.width, settings.epochs, seed, settings.lr_scale)
    seconds = time.monotonic() - start
    return [lightly_peer.features(backbone, data) for data in (train, test)], seconds


def knn(train, test, k=200, temperature=0.1):
    """Votes of the k nearest by cosine, weighted by exp(similarity / T): the accuracy in percent."""
    (bank, bank_labels), (queries, labels) = train, test
    bank, queries = (torch.nn.functional.normalize(x.float(), dim=1) for x in (bank, queries))
    classes = int(bank_labels.max()) + 1
    right = 0
    for some, truth in zip(queries.split(500), labels.split(500)):
        similarity, nearest = (some @ bank.T).topk(k, dim=1)
        votes = torch.zeros(len(some), classes)
        votes.scatter_add_(1, bank_labels[nearest], (similarity / temperature).exp())
        right += int((votes.argmax(1) == truth).sum())
    return 100 * right / len(labels)


def main():
    settings = arguments()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results = OUTPUT / "results.jsonl"
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    train = subset(settings.train, settings.images, "train")
    test = subset(settings.test, 10_000, "test")
    import lightly_peer

    chosen = settings.methods or list(lightly_peer.METHODS)
    setting = {"images": settings.images, "epochs": settings.epochs, "width": settings.width}
    setting |= {"lr_scale": settings.lr_scale}
    for seed in settings.seeds:
        for method in chosen:
            for side, run in zip(SIDES, (ours, theirs)):
                key = {"method": method, "seed": seed, "side": side, **setting}
                if any(key.items() <= row.items() for row in done):
                    continue
                found, seconds = run(settings, method, seed, train, test)
                row = key | {"knn": round(knn(*found), 2), "seconds": round(seconds, 1)}
                done.append(row)
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
    table(chosen, [row for row in done if setting.items() <= row.items()])


def table(methods, rows):
    print("\n| method | seeds | visrep | lightly | difference | training, s |\n|---|---|---|---|---|---|")
    for method in methods:
        mine, their = ([row for row in rows if row["method"] == method and row["side"] == side] for side in SIDES)
        if not mine or not their:
            continue
        means = [statistics.mean(row["knn"] for row in side) for side in (mine, their)]
        seconds = [statistics.mean(row["seconds"] for row in side) for side in (mine, their)]
        times = f"{seconds[0]:.0f} / {seconds[1]:.0f}"
        print(f"| {method} | {len(mine)} | {means[0]:.1f} | {means[1]:.1f} | {means[0] - means[1]:+.1f} | {times} |")


if __name__ == "__main__":
    main()
