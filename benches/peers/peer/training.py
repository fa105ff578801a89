"""LibTorch: the optimiser's step, and models in inference and training, against PyTorch; wall time, all cores."""

import os

import numpy as np

from .agree import numbers
from .measure import Ours, Peer, Theirs

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
ON_CPU = [
    ("resnet50", 32, "inference"),
    ("vit_small_patch16_224", 32, "inference"),
    ("resnet18@32", 128, "training"),
    ("resnet50", 16, "training"),
    ("vit_small_patch16_224", 16, "training"),
]
ON_GPU = [("resnet18@32", 1024, "training"), ("resnet50", 256, "training")]
FORMATS = ("contiguous", "channels_last")


def models(bench, _corpora):
    """Images per second, each side in its better memory format, bf16 by autocast on both; training steps with cross-entropy and fused
    AdamW.

    That the architectures are equal is what the golden tests of visrep-models prove."""
    import torch

    threads = os.cpu_count()
    torch.set_num_threads(threads)
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    best = {}
    for model, batch, mode in ON_CPU:
        for precision in ("fp32", "bf16"):
            name = f"{bench.name}/{model}/{mode}/{precision}"
            if not bench.wanted(name):
                continue
            if precision == "bf16" and not native:
                bench.skip(name, "this processor has no bf16")
                continue
            best[name] = on_both(bench, name, (model, batch, precision, mode, "cpu"), threads, 1.0)
        pair = [best.get(f"{bench.name}/{model}/{mode}/{precision}") for precision in ("bf16", "fp32")]
        if mode == "inference" and all(pair):
            # Asked for where the processor multiplies bf16 matrices.
            limit = 3.0 if torch.cpu._is_amx_tile_supported() else None
            bench.row(f"{bench.name}/{model}/bf16-gain", "images/s", *pair, "visrep in fp32", limit)
    for model, batch, mode in ON_GPU:
        for ours, limit in ((mode, 1.0), ("graph", 1.3), ("fed", 0.97)):
            name = f"{bench.name}/{model}/gpu-{ours}/bf16"
            if not bench.wanted(name):
                continue
            if not torch.cuda.is_available():
                bench.skip(name, "there is no GPU here")
            elif ours == "fed":
                fed(bench, name, (model, batch, "bf16", "channels_last"), threads, limit)
            else:
                on_both(bench, name, (model, batch, "bf16", ours, "cuda"), threads, limit, ["channels_last"])


def fed(bench, name, work, threads, limit):
    """Bytes of the host, copied and normalised beside the steps, against the same steps on a batch that stays on the device: less than 3 %
    of an epoch may be waiting."""
    sides = {mode: Network(threads, *work, mode, "cuda") for mode in ("fed", "training")}
    times = bench.take_turns(name, sides, "wall", bench.settings.seconds)
    for side in sides.values():
        side.close()
    bench.row(name, "images/s", min(times["fed"]), min(times["training"]), "visrep on a batch that stays on the device", limit)
    bench.details.append({"bench": name, "clock": "wall", **times})


def on_both(bench, name, work, threads, limit, formats=FORMATS):
    """A row; returns our best time for an image."""
    sides = {f"visrep {layout}": Network(threads, *work[:3], layout, *work[3:]) for layout in formats}
    ours = list(sides)
    sides |= {layout: torch_network(*work[:3], layout, *work[3:]) for layout in formats}
    times = bench.take_turns(name, sides, "wall", bench.settings.seconds)
    for side in ours:
        sides[side].close()
    mine, theirs = (min(min(times[side]) for side in group) for group in (ours, formats))
    bench.row(name, "images/s", mine, theirs, "eager PyTorch, timm", limit)
    bench.details.append({"bench": name, "clock": "wall", **times})
    return mine


class Network(Ours):
    """visrep's network, in a process of its own."""

    def __init__(self, threads, *words):
        super().__init__(threads)
        self.open("network", *words)


def torch_network(name, batch, precision, layout, mode, device):
    import timm
    import torch

    name, _, side = name.partition("@")
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = timm.create_model(name).to(device, memory_format=memory)
    side = int(side) if side else model.pretrained_cfg["input_size"][-1]
    x = torch.randn(batch, 3, side, side, device=device).to(memory_format=memory)
    labels = torch.arange(batch, device=device) % model.num_classes
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def cast():
        return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")

    if mode == "inference":
        model.eval()

        def once():
            with torch.inference_mode(), cast():
                model(x)
            wait()
    else:
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)

        def once():
            optimizer.zero_grad(set_to_none=True)
            with cast():
                loss = torch.nn.functional.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            wait()

    return Theirs(once, None, batch)
