"""SimCLR's two views of an image from JPEG bytes, 8-bit; CPU time of one thread. Every side draws its own."""

import numpy as np

from .agree import statistics
from .corpus import SIDE
from .jpeg import as_arrays, opencv_decoder, pillow_image
from .measure import Ours, Peer, Theirs

# Jitter of 80 % makes whole views bright or dark: the mean of some hundred of them is no better known.
ALIKE = statistics(0.2)


def run(bench, corpora):
    """Decode once, then twice RandomResizedCrop(224), flip, colour jitter, grey, blur. visrep blurs as the peer does."""
    # There may be too few large images for statistics, and the views are made in the same way.
    checked = corpora["original"]
    check = [data for data, *_ in checked.entries()]
    for corpus in corpora.values():
        buffers = [data for data, *_ in corpus.entries()]

        def peer(name, work, convert, limit):
            return Peer(name, lambda: Theirs.each(work(), convert(buffers), stacked, convert(check)), ALIKE, limit)

        contests = {
            f"{bench.name}/{corpus.name}/pillow-blur": ("pillow", [peer("lightly", lightly_views, list, 4.0)]),
            f"{bench.name}/{corpus.name}/kernel-blur": (
                "kernel",
                [
                    peer("albumentations", albumentations_views, as_arrays, 1.5),
                    peer("OpenCV by hand", opencv_views, as_arrays, 1.5),
                ],
            ),
        }
        for name, (blur, peers) in contests.items():
            if bench.wanted(name):
                ours = Ours()
                sample = ours.open("views", blur, checked.crops).results()
                bench.contest(name, ours.open("views", blur, corpus.crops), sample, peers)
                ours.close()


def stacked(views):
    return np.stack([np.asarray(view) for view in views])


def lightly_views():
    """lightly's SimCLRTransform with its defaults, except that it ends with pixels instead of normalised floats."""
    from lightly.transforms import SimCLRTransform
    from torchvision.transforms import v2

    transform = SimCLRTransform(SIDE, normalize=None)
    steps = transform.transforms[0].transform.transforms
    assert type(steps[-1]).__name__ in ("ToTensor", "Compose"), steps[-1]
    steps[-1] = v2.PILToTensor()
    return lambda data: transform(pillow_image(data))


def albumentations_views():
    import albumentations as A
    import cv2

    decoder = opencv_decoder()
    transform = A.Compose([
        A.RandomResizedCrop((SIDE, SIDE), interpolation=cv2.INTER_AREA),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(brightness=(0.2, 1.8), contrast=(0.2, 1.8), saturation=(0.2, 1.8), hue=(-0.2, 0.2), p=0.8),
        A.ToGray(p=0.2),
        A.GaussianBlur(blur_limit=(23, 23), sigma_limit=(0.1, 2.0), p=0.5),
    ], seed=0)  # fmt: skip

    def work(data):
        image = decoder(data)
        return transform(image=image)["image"], transform(image=image)["image"]

    return work


def opencv_views():
    """The same with OpenCV's functions and nothing around them."""
    import random

    import cv2

    from . import opencv
    from .corpus import random_crop

    decoder, chance = opencv_decoder(), random.Random(0)
    jitter = [(opencv.brightness, 0.2, 1.8), (opencv.contrast, 0.2, 1.8), (opencv.saturation, 0.2, 1.8), (opencv.hue, -0.2, 0.2)]

    def view(image):
        x, y, w, h = random_crop(chance, image.shape[1], image.shape[0])
        image = opencv.resize(image[y : y + h, x : x + w])
        if chance.random() < 0.5:
            image = cv2.flip(image, 1)
        if chance.random() < 0.8:
            for adjust, low, high in chance.sample(jitter, 4):
                image = adjust(image, chance.uniform(low, high))
        if chance.random() < 0.2:
            image = opencv.grayscale(image)
        if chance.random() < 0.5:
            image = cv2.GaussianBlur(image, (23, 23), chance.uniform(0.1, 2.0), borderType=cv2.BORDER_CONSTANT)
        return image

    def work(data):
        image = decoder(data)
        return view(image), view(image)

    return work
