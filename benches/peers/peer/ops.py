"""Every augmentation operation by itself on images in memory, against the fastest of four libraries; CPU time of one thread.

A library takes part in what it has a function for: pillow.py, opencv.py, torchvision.py and kornia.py, each in its own
form of image. Turning pixels into that form is not timed.
"""

import importlib
from dataclasses import dataclass, field

from .agree import pixels
from .corpus import SIDE, squares
from .measure import Ours, Peer, Theirs, say

LIBRARIES = {"pillow": "Pillow", "opencv": "OpenCV", "torchvision": "torchvision v2", "kornia": "kornia"}
IMAGES = 16


@dataclass
class Op:
    """Its parameters on both sides, the size of its input, and how alike the libraries' results are: they differ in
    rounding, in the weights of grey, in the steps of hue, and in what a contrast is relative to."""

    name: str
    parameters: list = field(default_factory=list)
    size: tuple = (SIDE, SIDE)
    psnr: float = 38
    # Whether it takes a second image.
    mixes: bool = False


# Maps from output to input positions, from pixel corner to pixel corner as Pillow has them.
AFFINE = [0.878, 0.306, -18.3, -0.235, 0.878, 43.3]
PERSPECTIVE = [0.9, 0.2, 5.0, -0.2, 0.9, 27.0, 0.0005, 0.0003]


# A row here needs one of the same name in src/ops.rs; one that is not there yet is left out and named.
OPS = [
    Op("resize", size=(320, 256), psnr=28),
    Op("center_crop", size=(256, 256)),
    Op("horizontal_flip"),
    Op("brightness", [1.4]),
    Op("contrast", [0.6], psnr=30),
    Op("saturation", [1.5], psnr=30),
    Op("hue", [0.1], psnr=25),
    Op("grayscale"),
    Op("gaussian_blur", [23, 1.2]),
    Op("pillow_blur", [1.2]),
    Op("solarize", [128]),
    Op("solarize_add", [54, 128]),
    Op("invert"),
    Op("posterize", [4]),
    Op("equalize", psnr=25),
    Op("autocontrast"),
    Op("sharpness", [1.8], psnr=25),
    Op("color_jitter", [1.2, 0.8, 1.2, 0.1], psnr=25),
    Op("vertical_flip"),
    Op("rotate_90"),
    Op("rotate_180"),
    Op("padded_crop", [-4, 3]),
    Op("rotate", [20], psnr=20),
    Op("affine_nearest", AFFINE, psnr=20),
    Op("affine_bilinear", AFFINE, psnr=25),
    Op("affine_bicubic", AFFINE, psnr=25),
    Op("perspective_nearest", PERSPECTIVE, psnr=20),
    Op("perspective_bilinear", PERSPECTIVE, psnr=25),
    Op("perspective_bicubic", PERSPECTIVE, psnr=25),
    # Random on both sides: alike, not equal.
    Op("elastic", [50, 5], psnr=15),
    Op("erase", [60, 50, 80, 90]),
    Op("gaussian_noise", [0.1], psnr=12),
    Op("random_conv", psnr=35),
    Op("high_pass", [0.01], psnr=35),
    Op("mixup", [0.3], mixes=True),
]


def run(bench, corpora):
    """At 224 x 224, resize and centre crop from somewhat larger images."""
    ours = Ours()
    here = ours.ask("ops")
    for op in OPS:
        if not bench.wanted(f"{bench.name}/{op.name}"):
            continue
        if op.name not in here:
            say(None)
            print(f"{bench.name}/{op.name}: visrep has no such operation yet", flush=True)
        else:
            one(bench, ours, op, corpora["original"])
    ours.close()


def one(bench, ours, op, corpus):
    file, images = squares(corpus, IMAGES, *op.size)
    ours.open("op", op.name, file, *op.size, *op.parameters)
    peers = []
    for module, name in LIBRARIES.items():
        try:
            library = importlib.import_module(f"peer.{module}")
        except ImportError as error:
            bench.fail(f"{bench.name}/{op.name}: {name}: {error}")
            continue
        if work := getattr(library, op.name, None):
            peers.append(Peer(name, lambda library=library, work=work: side(library, work, op, images), pixels(op.psnr)))
    bench.contest(f"{bench.name}/{op.name}", ours, ours.results(), peers, unit="us")


def side(library, work, op, images):
    import torch

    torch.set_grad_enabled(False)
    items = [library.load(image) for image in images]
    if op.mixes:
        items = list(zip(items, items[1:] + items[:1]))
        return Theirs.each(lambda pair: work(pair[0], *op.parameters, pair[1]), items, library.array)
    return Theirs.each(lambda item: work(item, *op.parameters), items, library.array)
