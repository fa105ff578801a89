"""Models here against timm (torchvision where timm has none) in eager PyTorch: the same architecture, sizes, kinds and memory formats, in turns, in one run.

    cargo build -p visrep-models --examples
    python benches/models/compare.py [MODEL ...] [--training] [--batches 1,32] [--startup FILE.safetensors] [--json OUT]

MODEL is a name of timm's, with `@32` after it for images of 32 x 32 instead of its own size. Needs timm 1.0.31 and PyTorch
2.11.0. Both sides run in one process each, with the same number of threads, and take turns measurement by measurement; a
figure is the best of `--rounds` medians. GMACs are counted by PyTorch's FlopCounterMode on the peer; that the architectures
are equal is what the golden tests prove.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target" / "debug" / "examples"
MODELS = [
    "resnet18", "resnet50", "seresnext50_32x4d", "resnetv2_50x1_bit", "nfnet_f0", "vit_small_patch16_224",
    "vit_base_patch16_224", "vit_small_patch14_reg4_dinov2", "beit_base_patch16_224", "mixer_b16_224", "convnext_tiny",
    "convnextv2_tiny", "swin_tiny_patch4_window7_224", "efficientnet_b0", "tf_efficientnet_b0", "mobilenetv2_100",
    "mobilenetv3_large_100", "vgg16", "densenet121", "inception_v3", "alexnet", "squeezenet1_1", "googlenet",
]  # fmt: skip


def peer_model(name):
    """timm's model, else torchvision's without its auxiliary heads, which ours leave out; and the size of its input."""
    import timm

    name, _, side = name.partition("@")
    asked = (3, int(side), int(side)) if side else None
    if timm.is_model(name):
        model = timm.create_model(name)
        return model, asked or model.pretrained_cfg["input_size"]
    import torchvision

    heads = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, **heads), asked or (3, 224, 224)


class Peer:
    """The peer, answering the same requests as examples/model_speed.rs."""

    def __init__(self):
        self.name = self.model = self.size = None

    def run(self, name, batch, kind, layout, mode):
        import torch

        if name != self.name:
            self.name, (self.model, self.size) = name, peer_model(name)
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
        memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        model = self.model.to(dtype=dtype).to(memory_format=memory)
        model.train(mode == "training")
        x = torch.randn(batch, *self.size).to(dtype).to(memory_format=memory)

        def step():
            if mode == "training":
                model.zero_grad()
                model(x).square().mean().backward()
            else:
                with torch.no_grad():
                    model(x)

        step()
        times, start = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - start < 1:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    def describe(self, name):
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        model, size = peer_model(name)
        model.eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model(torch.zeros(1, *size))
        return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2


class Ours:
    def __init__(self, environment):
        self.process = subprocess.Popen(
            [EXAMPLES / "model_speed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, *request):
        self.process.stdin.write(" ".join(map(str, request)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"model_speed stopped at {request}")
        return float(line.split()[0])


def models(arguments, environment):
    import torch

    torch.set_num_threads(arguments.threads)
    ours, peer, rows = Ours(environment), Peer(), []
    mode = "training" if arguments.training else "inference"
    print(f"torch {torch.__version__}, {arguments.threads} threads, {mode}; images/s, ours / peer = ratio")
    for name in arguments.models or MODELS:
        parameters, macs = peer.describe(name)
        print(f"{name}: {parameters / 1e6:.2f} M parameters, {macs / 1e9:.2f} GMACs")
        for kind in arguments.kinds.split(","):
            for layout in ("contiguous", "channels_last"):
                for batch in map(int, arguments.batches.split(",")):
                    request = (name, batch, kind, layout, mode)
                    pairs = [(ours.run(*request), peer.run(*request)) for _ in range(arguments.rounds)]
                    mine, theirs = (batch / min(column) for column in zip(*pairs))
                    row = dict(zip(("model", "batch", "kind", "layout", "mode"), request))
                    row |= {"parameters": parameters, "macs": macs, "ours": mine, "peer": theirs, "ratio": mine / theirs}
                    rows.append(row)
                    print(f"  {kind:4} {layout:13} batch {batch:2}: {mine:8.1f} / {theirs:8.1f} = {mine / theirs:.2f}", flush=True)
    return rows


STARTUP = """
import sys, timm, torch
from safetensors.torch import load_file
model = timm.create_model(sys.argv[1]).eval()
model.load_state_dict(load_file(sys.argv[2]))
with torch.no_grad():
    print(model(torch.zeros(1, *model.pretrained_cfg["input_size"]))[0, 0].item())
"""


def startup(name, path, environment, rounds):
    """Process start to first logits."""
    commands = {"ours": [EXAMPLES / "startup", name, path], "timm": [sys.executable, "-c", STARTUP, name, path]}
    times, answers = {side: [] for side in commands}, {}
    for _ in range(rounds):
        for side, command in commands.items():
            begin = time.perf_counter()
            answers[side] = float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
            times[side].append(time.perf_counter() - begin)
    assert abs(answers["ours"] - answers["timm"]) < 1e-3, answers
    mine, theirs = (statistics.median(t) for t in times.values())
    print(f"startup with {name}: {mine:.2f} s / {theirs:.2f} s = {theirs / mine:.1f} times as fast (median of {rounds})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="timm's or torchvision's names (default: one or more of each family)")
    parser.add_argument("--training", action="store_true", help="forward and backward instead of inference")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--kinds", default="f32,bf16")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--startup", metavar="FILE", help="instead: time from process start to the first logits with this file")
    parser.add_argument("--json", metavar="OUT", help="write the rows here as JSON")
    arguments = parser.parse_args()
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(arguments.threads)}
    if arguments.startup:
        startup((arguments.models or ["vit_base_patch16_224"])[0], arguments.startup, environment, max(arguments.rounds, 5))
        return
    rows = models(arguments, environment)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
