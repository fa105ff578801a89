"""Epochs of an ImageFolder as normalised float batches of 64, by two workers; wall time.

visrep decodes in two ways: exactly, and at 1/2 to 1/8 of the size where that leaves enough for the crop."""

import itertools

import numpy as np

from .agree import statistics
from .corpus import SIDE
from .measure import Ours, Peer, Theirs

WORKERS, BATCH = 2, 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Each side draws its own crops, flips and order.
ALIKE = statistics(0.1)


def run(bench, corpora):
    """Files from the page cache, RandomResizedCrop(224, antialiased bilinear), flip, normalisation."""
    # Large images take the same way, only more of it.
    for corpus, decode in itertools.product((corpora["original"], corpora["q80-420"]), ("exact", "scaled")):
        name = f"{bench.name}/{corpus.name}/{decode}"
        if not bench.wanted(name):
            continue
        ours = Ours().open("loader", corpus.folder, WORKERS, decode)
        peers = [
            Peer("DataLoader, PIL images", lambda: data_loader(corpus.folder, pil_images), ALIKE, 3.2),
            Peer("DataLoader, tensors", lambda: data_loader(corpus.folder, tensors), ALIKE, 3.2),
        ]
        if bench.settings.tensorflow:
            from . import tfdata

            peers.append(Peer("tf.data", lambda: tfdata.loader(corpus.folder), ALIKE, 1.2))
        # Epochs are short: several make a turn.
        bench.contest(name, ours, ours.results(np.float32), peers, clock="wall", seconds=10 * bench.settings.seconds)
        ours.close()


def data_loader(folder, kind):
    import torch
    from torchvision.datasets import ImageFolder

    load, transform = kind()
    data = ImageFolder(folder, transform, loader=load)
    # Workers that stay, since starting processes is no part of the comparison, and are made as Linux's default has it.
    workers = {"num_workers": WORKERS, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, **workers)

    def once():
        for batch, _ in loader:
            batch.data_ptr()

    return Theirs(once, lambda: np.concatenate([batch.numpy().ravel() for batch, _ in loader]), len(data))


def pil_images():
    """torchvision's usual pipeline."""
    import torch
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms import v2

    float_image = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    return pil_loader, v2.Compose([*crop_and_flip(), *float_image, v2.Normalize(MEAN, DEVIATION)])


def tensors():
    """torchvision's own decoder and 8-bit tensors for as long as possible, which is faster than PIL images."""
    import torch
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    float_image = v2.ToDtype(torch.float32, scale=True)
    transform = v2.Compose([*crop_and_flip(), float_image, v2.Normalize(MEAN, DEVIATION)])
    return lambda path: decode_image(path, ImageReadMode.RGB), transform


def crop_and_flip():
    from torchvision.transforms import v2

    return v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip()
