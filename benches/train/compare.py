"""A step of each optimiser here against PyTorch, timm and lightly, on the parameters of the same model, in turns, in one run.

    cargo build -p visrep-train --examples
    python benches/train/compare.py [MODEL ...] [--rounds 5] [--device cuda] [--json OUT]

Needs PyTorch 2.11.0, timm 1.0.31 and lightly 1.6.0. The peers are PyTorch's fused forms where it has them, and timm's foreach forms.
Both sides run in one process each, with the same number of threads, and take turns measurement by measurement; a figure is the
best of `--rounds` times ten steps, in processor time on a CPU. No forward or backward pass is timed. The peers keep the gradients
as they are, so that LARS and LAMB make copies there; here they are overwritten.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "target" / "debug" / "examples" / "optimizer_speed"
WORKS = ["sgd", "adamw", "lars", "lamb", "adafactor", "ema", "clip"]
STEPS = 10


def optimizer(work, groups):
    import torch
    from lightly.utils.lars import LARS
    from timm.optim import AdafactorBigVision, Lamb

    return {
        "sgd": lambda: torch.optim.SGD(groups, lr=1e-5, momentum=0.9, fused=True),
        "adamw": lambda: torch.optim.AdamW(groups, lr=1e-5, fused=True),
        "lars": lambda: LARS(groups, lr=1e-5, momentum=0.9),
        "lamb": lambda: Lamb(groups, lr=1e-5, max_grad_norm=None),
        "adafactor": lambda: AdafactorBigVision(groups, lr=1e-5, min_dim_size_to_factor=32),
    }[work]()


def peer(name, work, device):
    """The best time of ten steps, after two that are not counted."""
    import timm
    import torch

    model = timm.create_model(name).to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for p in parameters:
        p.grad = torch.randn_like(p)
    if work == "ema":
        averages = [p.detach().clone() for p in parameters]
        values = [p.detach() for p in parameters]
        step = lambda: torch._foreach_lerp_(averages, values, 0.001)
    elif work == "clip":
        step = lambda: torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    else:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        step = optimizer(work, groups).step
    times = []
    for _ in range(STEPS + 2):
        clock = time.process_time if device == "cpu" else time.perf_counter
        start = clock()
        step()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[2:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["vit_small_patch16_224", "resnet50", "resnet18"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--json")
    arguments = parser.parse_args()
    environment = {**os.environ, "VISREP_DEVICE": arguments.device}
    ours = subprocess.Popen([EXAMPLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    rows = []
    print(f"{'model':24} {'work':10} {'ours ms':>9} {'peer ms':>9} {'ratio':>6}")
    for model in arguments.models:
        for work in arguments.works.split(","):
            best = [float("inf"), float("inf")]
            for _ in range(arguments.rounds):
                ours.stdin.write(f"{model} {work}\n")
                ours.stdin.flush()
                best[0] = min(best[0], float(ours.stdout.readline()))
                best[1] = min(best[1], peer(model, work, arguments.device))
            rows.append({"model": model, "work": work, "ours_s": best[0], "peer_s": best[1], "ratio": best[1] / best[0]})
            print(f"{model:24} {work:10} {best[0] * 1e3:9.3f} {best[1] * 1e3:9.3f} {best[1] / best[0]:6.2f}", flush=True)
    ours.stdin.close()
    ours.wait()
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
