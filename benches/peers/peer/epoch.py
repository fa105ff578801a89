"""Epochs of SimCLR on CIFAR-10's recipe from a Parquet file, loading included; wall time, all cores.

lightly's side is its own head, loss, transform and ResNet with PyTorch's DataLoader, as in benches/methods; both sides decode each image anew in every
epoch, with two workers beside the step."""

import contextlib
import io
import os
import sys

import numpy as np
from PIL import Image

from .agree import numbers
from .measure import Ours, Peer, Theirs
from .surroundings import OUTPUT, ROOT

WORKERS, SIDE, IMAGES = 2, 32, 1024
# Width of the network, and its name here.
MODELS = [(16, "resnet18_cifar_w16"), (64, "resnet18_cifar")]


def run(bench, corpora):
    data = small_images(corpora["original"])
    for width, model in MODELS:
        for precision in ("fp32", "bf16"):
            name = f"{bench.name}/{model}/{precision}"
            if not bench.wanted(name):
                continue
            threads = os.cpu_count()
            ours = Ours(threads).open("epoch", "simclr-cifar10", model, precision, data, WORKERS)
            peers = [Peer("lightly, DataLoader", lambda: lightly(data, width, precision, threads), first_losses, 1.5)]
            bench.contest(name, ours, ours.results(np.float32), peers, clock="wall")
            ours.close()


def first_losses(ours, theirs):
    """Before either side has learnt much: the mean loss of the first steps, from other random numbers."""
    means = [np.mean(losses[:4], keepdims=True) for losses in (ours, theirs)]
    return numbers(0.05)(*means)


def small_images(corpus):
    """CIFAR-like images, squares cut from the corpus's, as a Parquet file of the Hugging Face layout."""
    import pyarrow
    import pyarrow.parquet

    path = OUTPUT / f"small-{corpus.name}.parquet"
    rows = []
    for repeat in range(-(-IMAGES // corpus.images)):
        for source, (x, y, width, height), _ in corpus.entries():
            image = Image.open(io.BytesIO(source)).convert("RGB").crop((x, y, x + width, y + height))
            file = io.BytesIO()
            image.rotate(90 * repeat).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
            rows.append({"image": {"bytes": file.getvalue(), "path": f"{len(rows)}.jpg"}, "label": len(rows) % 10})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows[:IMAGES]), path)
    return path


def lightly(data, width, precision, threads):
    sys.path.append(str(ROOT / "benches/methods"))
    import lightly_peer
    import torch

    torch.set_num_threads(threads)
    images = lightly_peer.Files(data, lightly_peer.METHODS["simclr"].transform)
    # Workers that stay, since starting processes is no part of the comparison.
    options = {"num_workers": WORKERS, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = torch.utils.data.DataLoader(images, lightly_peer.BATCH, shuffle=True, drop_last=True, **options)

    def epoch():
        cast = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        method = lightly_peer.METHODS["simclr"](width)
        return lightly_peer.fit(method, loader, 1, cast=cast)

    return Theirs(epoch, lambda: np.array(epoch(), np.float32), len(images))
