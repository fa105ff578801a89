"""LibTorch: the optimiser's step, and models in inference and training, against PyTorch; wall time, all cores."""

import os
import sys

import numpy as np

from .agree import numbers
from .measure import Ours, Peer, Theirs
from .surroundings import ROOT, for_ours

MODEL = "vit_small_patch16_224"
CLOSE = numbers(1e-5)


def adamw(bench, _corpora):
    """A step of AdamW on the parameters of ViT-S/16."""
    threads = os.cpu_count()
    ours = Optimizer(threads, "fused")
    peers = [
        Peer("tch::nn::AdamW", lambda: Optimizer(threads, "tch"), CLOSE, 2.5),
        Peer("torch AdamW(fused)", lambda: torch_adamw(threads, fused=True), CLOSE, 1 / 1.05),
        Peer("torch AdamW(foreach)", lambda: torch_adamw(threads, foreach=True), CLOSE, None),
    ]
    bench.contest(f"{bench.name}/vit_small", ours, ours.results(), peers, unit="ms", clock="wall")
    ours.close()


class Optimizer(Ours):
    """visrep's step or that of `tch`, in a process of its own."""

    def __init__(self, threads, method):
        super().__init__(threads)
        self.open("adamw", method, MODEL)

    def results(self):
        return np.sort(super().results(np.float32))


def torch_adamw(threads, **kind):
    import timm
    import torch

    torch.set_num_threads(threads)
    parameters = list(timm.create_model(MODEL).parameters())
    for parameter in parameters:
        count = torch.arange(parameter.numel(), dtype=torch.float32) * 0.01
        parameter.data.copy_(count.sin().view(parameter.shape))
        parameter.grad = count.cos().view(parameter.shape)
    # The numbers of src/optimizer.rs.
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05, **kind)

    def results():
        optimizer.step()
        # Sorted, as libraries list parameters in other orders.
        return np.sort([np.float32(parameter.detach().norm().item()) for parameter in parameters])

    return Theirs(optimizer.step, results, 1)


# Model, with the side of its images where it is not the model's own, batch, mode.
MODELS = [
    ("resnet50", 32, "inference"),
    ("vit_small_patch16_224", 32, "inference"),
    ("resnet18@32", 128, "training"),
    ("vit_small_patch16_224", 16, "training"),
]


def models(bench, _corpora):
    """Images per second, each side in its better memory format: benches/models/compare.py does the measuring.

    That the architectures are equal is what the golden tests of visrep-models prove."""
    sys.path.insert(0, str(ROOT / "benches" / "models"))
    import compare
    import torch

    threads = os.cpu_count()
    torch.set_num_threads(threads)
    ours, peer, best = compare.Ours(for_ours(threads)), compare.Peer(), {}
    for model, batch, mode in MODELS:
        for kind in ("f32", "bf16"):
            name = f"{bench.name}/{model}/{mode}/{kind}"
            if not bench.wanted(name):
                continue
            times = {"ours": [], "peer": []}
            for _ in range(min(bench.settings.rounds, 3)):
                for layout in ("contiguous", "channels_last"):
                    request = (model, batch, kind, layout, mode)
                    times["ours"].append(ours.run(*request) / batch)
                    times["peer"].append(peer.run(*request) / batch)
            best[model, mode, kind] = min(times["ours"])
            bench.row(name, "images/s", min(times["ours"]), min(times["peer"]), "eager PyTorch, timm", 1.0)
            bench.details.append({"bench": name, "clock": "wall", **times})
        pair = [best.get((model, mode, kind)) for kind in ("bf16", "f32")]
        if mode == "inference" and all(pair):
            # Asked for where the processor multiplies bf16 matrices.
            limit = 3.0 if torch.cpu._is_amx_tile_supported() else None
            bench.row(f"{bench.name}/{model}/bf16-gain", "images/s", *pair, "visrep in f32", limit)
