"""How long one core takes to decode JPEG files with Python's decoders, and to make 224x224 crops of them.

Usage: python peers.py CROPS [REPETITIONS]
Needs Pillow, numpy, opencv-python, torch and torchvision; simplejpeg is measured when installed.

CROPS has a line `path x y width height flip` for each image, as for `cargo run -p visrep-decode --example
decode_throughput`. Files are read before the clock starts. Modes: "whole" decodes to RGB; "pipeline" also crops, resizes
to 224x224 with an antialiasing filter and flips where the list says so, to uint8. CPU time of the process; the libraries
take turns, and the fastest repetition of each is printed as a line of JSON.
"""

import io
import json
import os
import sys
import time

for name in "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS":
    os.environ[name] = "1"

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

torch.set_num_threads(1)
cv2.setNumThreads(0)
SIDE = 224


def load(path):
    items = []
    for line in open(path, encoding="utf-8"):
        name, *numbers = line.rstrip("\n").rsplit(" ", 5)
        data = open(name, "rb").read()
        items.append((data, np.frombuffer(bytearray(data), np.uint8), *map(int, numbers)))
    return items


def tensor(array):
    return decode_jpeg(torch.from_numpy(array), ImageReadMode.RGB)


def pillow_whole(data, array, *_):
    Image.open(io.BytesIO(data)).convert("RGB").load()


def opencv_whole(data, array, *_):
    cv2.imdecode(array, cv2.IMREAD_COLOR_RGB)


def torchvision_whole(data, array, *_):
    tensor(array)


def pillow_pipeline(data, array, x, y, w, h, flip):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))
    np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)


def pillow_draft_pipeline(data, array, x, y, w, h, flip):
    image = Image.open(io.BytesIO(data))
    full = image.size
    scale = max(min(w, h) // SIDE, 1)
    image.draft("RGB", (full[0] // scale, full[1] // scale))
    image = image.convert("RGB")
    sx, sy = image.width / full[0], image.height / full[1]
    box = (x * sx, y * sy, min((x + w) * sx, image.width), min((y + h) * sy, image.height))
    image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)


def opencv_pipeline(data, array, x, y, w, h, flip):
    image = cv2.imdecode(array, cv2.IMREAD_COLOR_RGB)
    image = cv2.resize(image[y : y + h, x : x + w], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if flip:
        cv2.flip(image, 1)


def torchvision_pipeline(data, array, x, y, w, h, flip):
    image = functional.resized_crop(tensor(array), y, x, h, w, [SIDE, SIDE], antialias=True)
    if flip:
        functional.horizontal_flip(image)


RUNS = {
    ("Pillow", "whole"): pillow_whole,
    ("OpenCV", "whole"): opencv_whole,
    ("torchvision", "whole"): torchvision_whole,
    ("Pillow", "pipeline"): pillow_pipeline,
    ("Pillow with draft", "pipeline"): pillow_draft_pipeline,
    ("OpenCV, area", "pipeline"): opencv_pipeline,
    ("torchvision v2 tensor", "pipeline"): torchvision_pipeline,
}

try:
    import simplejpeg
except ImportError:
    pass
else:

    def simplejpeg_whole(data, array, *_):
        simplejpeg.decode_jpeg(data, "RGB")

    def simplejpeg_pipeline(data, array, x, y, w, h, flip):
        image = simplejpeg.decode_jpeg(data, "RGB")
        image = cv2.resize(image[y : y + h, x : x + w], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        if flip:
            cv2.flip(image, 1)

    RUNS["simplejpeg", "whole"] = simplejpeg_whole
    RUNS["simplejpeg and OpenCV, area", "pipeline"] = simplejpeg_pipeline


def main():
    items = load(sys.argv[1])
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    best = dict.fromkeys(RUNS, float("inf"))
    for _ in range(repetitions):
        for key, run in RUNS.items():
            start = time.process_time()
            for item in items:
                run(*item)
            best[key] = min(best[key], time.process_time() - start)
    for (library, mode), seconds in best.items():
        row = {"library": library, "mode": mode, "images": len(items), "ms_per_image": round(seconds * 1e3 / len(items), 4)}
        print(json.dumps(row))


main()
