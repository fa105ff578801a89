"""Time per image of every ImageNet-C corruption at 224 x 224, visrep-corrupt and imagecorruptions in turns, one thread.

Usage: python compare.py FOLDER [NAME ...] [--images N] [--rounds N] [--json FILE]

FOLDER holds JPEG photographs, in subfolders or not; N of them (default 4) are resized to 256 and cropped to the centre.
NAME limits the run to some corruptions; without one, all 19 are measured, and the cost of the whole ImageNet-C with
JPEG files of quality 85. Wall times are the fastest of all repetitions for each image, then the mean over the images;
processor times, which other programs on the machine disturb less, are the mean over all repetitions (ours: of the best
round). The names that imagecorruptions 1.1.2 misses in NumPy 2, SciPy and scikit-image are put back, nothing else.

First: cargo build -p visrep-corrupt --example corruption_speed
Needs: imagecorruptions pillow numpy scipy scikit-image opencv-python-headless
"""

import argparse
import collections
import functools
import importlib.resources
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2
import numpy as np
import PIL.Image
import scipy.ndimage
import skimage.filters

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_peer():
    """imagecorruptions, with the names that its dependencies have dropped since."""
    np.float_ = np.float64
    moved = types.ModuleType("scipy.ndimage.interpolation")
    moved.map_coordinates = scipy.ndimage.map_coordinates
    sys.modules[moved.__name__] = moved
    try:
        import pkg_resources  # noqa: F401
    except ImportError:
        resources = types.ModuleType("pkg_resources")
        resources.resource_filename = lambda package, path: str(importlib.resources.files("imagecorruptions") / path)
        sys.modules[resources.__name__] = resources
    gaussian = skimage.filters.gaussian

    @functools.wraps(gaussian)
    def with_multichannel(image, *args, multichannel=False, **kwargs):
        return gaussian(image, *args, channel_axis=-1 if multichannel else None, **kwargs)

    skimage.filters.gaussian = with_multichannel
    import imagecorruptions

    cv2.setNumThreads(1)
    return imagecorruptions


def crops(folder, count):
    files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        sys.exit(f"{folder}: no JPEG file")
    images = []
    for path in files[:: max(1, len(files) // count)][:count]:
        image = PIL.Image.open(path).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([max(256, round(side * scale)) for side in image.size], PIL.Image.Resampling.BILINEAR)
        left, top = ((side - 224) // 2 for side in image.size)
        images.append(np.asarray(image.crop((left, top, left + 224, top + 224))))
    return np.stack(images)


def peer_times(peer, images, name, severity, repetitions, best, cpu):
    for _ in range(repetitions):
        for i, image in enumerate(images):
            start, used = time.perf_counter(), time.thread_time()
            peer.corrupt(image, severity=severity, corruption_name=name)
            best[i] = min(best[i], (time.perf_counter() - start) * 1e6)
            cpu.append((time.thread_time() - used) * 1e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    peer = load_peer()
    images = crops(options.folder, options.images)
    binary = os.environ.get("CORRUPTION_SPEED", ROOT / "target/debug/examples/corruption_speed")
    every = peer.get_corruption_names("all")
    names = options.names or every
    ours = collections.defaultdict(lambda: [float("inf")] * 2)
    theirs = {(n, s): ([float("inf")] * len(images), []) for n in every for s in range(1, 6)}
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "images.rgb"
        path.write_bytes(images.tobytes())

        def run_ours(name):
            command = [binary, "--images", path, "--repetitions", "6", name]
            for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
                name, severity, *figures = line.split()
                best = ours[name, severity]
                best[:] = [min(a, float(b)) for a, b in zip(best, figures)]

        np.random.seed(0)
        for round_ in range(options.rounds):
            for name in names:
                run_ours(name)
                if name not in every:
                    continue
                # The slowest takes most of a second per image: once is enough to tell.
                slow = name == "glass_blur"
                if slow and round_ > 0:
                    continue
                for severity in range(1, 6):
                    best, cpu = theirs[name, severity]
                    peer_times(peer, images[:2] if slow else images, name, severity, 1 if slow else 4, best, cpu)
            if not options.names:
                run_ours("imagenet_c")
    rows, sums = [], np.zeros(4)
    print(f"{'corruption':18}{'severity':>9}{'ours us':>10}{'peer us':>11}{'ratio':>9}{'cpu ours':>10}{'cpu peer':>11}{'ratio':>9}")

    def report(name, severity, figures):
        wall, peer_wall, cpu, peer_cpu = figures
        rows.append({"corruption": name, "severity": severity, "ours": wall, "peer": peer_wall, "ratio": peer_wall / wall,
                     "ours_cpu": cpu, "peer_cpu": peer_cpu, "ratio_cpu": peer_cpu / cpu})
        print(f"{name:18}{severity:>9}{wall:10.1f}{peer_wall:11.1f}{peer_wall / wall:9.2f}"
              f"{cpu:10.1f}{peer_cpu:11.1f}{peer_cpu / cpu:9.2f}")

    measured = [name for name in names if name in every]
    for name in measured:
        totals = np.zeros(4)
        for severity in range(1, 6):
            wall, cpu = ours[name, str(severity)]
            best, used = theirs[name, severity]
            figures = np.array([wall, np.mean([b for b in best if b < float("inf")]), cpu, np.mean(used)])
            report(name, severity, figures)
            totals += figures / 5
        report(name, "mean", totals)
        sums += totals
    if len(measured) > 1:
        report("sum of means", "", sums)
    if not options.names:
        wall, cpu = ours["imagenet_c", "-"]
        print(f"ImageNet-C with JPEG files, per result: {wall:.1f} us, processor {cpu:.1f} us")
        wall, cpu = ours["core_hours", "-"]
        print(f"50,000 x 75: {wall:.2f} core-hours, by processor time {cpu:.2f}")
        rows.append({"corruption": "imagenet_c", "core_hours": wall, "core_hours_cpu": cpu})
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
