"""Images per second: visrep's Loader beside torchvision's DataLoader, on the same images, in one run.

    python compare.py DIR [--binary target/debug/examples/loader_throughput] [--workers 2] [--repetitions 5]

DIR is an ImageFolder. Both read files, decode, RandomResizedCrop(224, antialiased bilinear), flip, and deliver shuffled uint8
batches of 64. Each draws its own crops from the same distribution. Wall time of whole epochs, the two taking turns;
a first epoch of each, which fills the page cache and starts the workers, is not counted.

Build first: cargo build -p visrep-data --example loader_throughput. The peer needs torch and torchvision.
"""

import argparse
import os
import statistics
import subprocess
import time

import torch
import torchvision
from torchvision.transforms import v2


def ours(binary, folder, workers):
    out = subprocess.run([binary, folder, str(workers), "1"], check=True, capture_output=True, text=True).stdout
    return float(out.split()[2])


def peer(loader):
    start, images = time.perf_counter(), 0
    for batch, _ in loader:
        images += len(batch)
    return images / (time.perf_counter() - start)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    arguments.add_argument("--binary", default="target/debug/examples/loader_throughput")
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--repetitions", type=int, default=5)
    arguments = arguments.parse_args()

    torch.set_num_threads(1)
    crop = v2.RandomResizedCrop(224, interpolation=v2.InterpolationMode.BILINEAR, antialias=True)
    transform = v2.Compose([crop, v2.RandomHorizontalFlip(), v2.PILToTensor()])
    data = torchvision.datasets.ImageFolder(arguments.folder, transform)
    # Persistent workers: starting processes is no part of the comparison.
    loader = torch.utils.data.DataLoader(
        data, batch_size=64, shuffle=True, num_workers=arguments.workers, persistent_workers=arguments.workers > 0
    )
    run = {
        "visrep": lambda: ours(arguments.binary, arguments.folder, arguments.workers),
        "torchvision": lambda: peer(loader),
    }
    for warm_up in run.values():
        warm_up()
    rates = {name: [] for name in run}
    for _ in range(arguments.repetitions):
        for name, measure in run.items():
            rates[name].append(measure())

    print(f"{len(data)} images, {arguments.workers} workers, {arguments.repetitions} repetitions, "
          f"torch {torch.__version__}, torchvision {torchvision.__version__}, load {os.getloadavg()[0]:.1f}")
    print(f"{'images/s':<12} {'median':>8} {'min':>8} {'max':>8}")
    for name, values in rates.items():
        print(f"{name:<12} {statistics.median(values):>8.0f} {min(values):>8.0f} {max(values):>8.0f}")
    ratios = [a / b for a, b in zip(rates["visrep"], rates["torchvision"])]
    print(f"{'ratio':<12} {statistics.median(ratios):>8.2f} {min(ratios):>8.2f} {max(ratios):>8.2f}")


if __name__ == "__main__":
    main()
