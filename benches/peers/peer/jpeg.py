"""JPEG to pixels: whole images, random resized crops, and the resize alone; CPU time of one thread."""

from io import BytesIO

import numpy as np

from .agree import pixels, statistics
from .corpus import SIDE
from .measure import Ours, Peer, Theirs

# Decoders that are built on libjpeg-turbo agree to the bit; some round colours otherwise.
SAME = pixels(45)
# Another antialiasing filter.
ALIKE = pixels(28)


def decode(bench, corpora):
    """The whole image."""
    for corpus in each(bench, corpora):
        buffers = [data for data, *_ in corpus.entries()]
        compare(bench, corpus, [
            Peer("simplejpeg", lambda: side(simplejpeg_decoder(), buffers, corpus), SAME),
            Peer("OpenCV", lambda: side(opencv_decoder(), as_arrays(buffers), corpus), SAME),
            Peer("torchvision", lambda: side(torchvision_decoder(), as_tensors(buffers), corpus, channels_last), SAME),
            Peer("Pillow", lambda: side(pillow_image, buffers, corpus), SAME),
        ])  # fmt: skip


def crop(bench, corpora):
    """Decode, cut out the list's crop, resize it to 224 x 224, flip it where the list says so: 8-bit pixels."""
    for corpus in each(bench, corpora):
        buffers, crops, flips = zip(*corpus.entries())

        def items(convert):
            return list(zip(convert(buffers), crops, flips))

        def turbo(scaled):
            from .turbojpeg import Cropper

            cropper = Cropper(scaled)
            return side(cropper.decode, items(list), corpus, cropper.finished)

        def tensor():
            return side(torchvision_crop(), items(as_tensors), corpus, channels_last)

        def albumentations():
            return side(albumentations_crop(), as_arrays(buffers), corpus)

        peers = [
            Peer("libjpeg-turbo's crop decode alone", lambda: turbo(False), SAME, 0.85),
            Peer("libjpeg-turbo's scaled crop decode alone", lambda: turbo(True), ALIKE, None),
            Peer("torchvision v2 tensor", tensor, SAME, 1.5),
            Peer("torchvision v2 PIL", lambda: side(torchvision_pil_crop(), items(list), corpus), SAME),
            Peer("Pillow resize(box)", lambda: side(pillow_crop(), items(list), corpus), ALIKE),
            Peer("OpenCV INTER_AREA", lambda: side(opencv_crop(), items(as_arrays), corpus), ALIKE, 1.45),
            Peer("albumentations INTER_AREA", albumentations, statistics(0.3), 1.45),
        ]
        if bench.settings.tensorflow:
            from . import tfdata

            peers.append(Peer("tf.data", lambda: tfdata.crop(items(list), corpus.checked), ALIKE))
        compare(bench, corpus, peers)


def resize(bench, corpora):
    """The list's crop of a decoded image, to 224 x 224."""
    for corpus in each(bench, corpora):
        buffers, crops, _ = zip(*corpus.entries())
        images = [pillow_image(data) for data in buffers]

        def items(convert):
            return [(convert(image), crop, False) for image, crop in zip(images, crops)]

        compare(bench, corpus, [
            Peer("Pillow", lambda: side(pillow_resize, items(lambda image: image), corpus), ALIKE),
            Peer("OpenCV INTER_AREA", lambda: side(opencv_resize(), items(np.array), corpus), ALIKE),
            Peer("torchvision v2 tensor", lambda: side(torchvision_resize(), items(as_planes), corpus, channels_last), SAME),
        ])  # fmt: skip


def each(bench, corpora):
    return [corpus for corpus in corpora.values() if bench.wanted(f"{bench.name}/{corpus.name}")]


def compare(bench, corpus, peers):
    ours = Ours()
    sample = ours.open(bench.name, corpus.sample).results()
    bench.contest(f"{bench.name}/{corpus.name}", ours.open(bench.name, corpus.crops), sample, peers)
    ours.close()


def side(work, items, corpus, array=np.asarray):
    return Theirs.each(work, items, array, items[: corpus.checked])


def as_arrays(buffers):
    return [np.frombuffer(data, np.uint8) for data in buffers]


def as_tensors(buffers):
    import torch

    return [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in buffers]


def as_planes(image):
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def channels_last(tensor):
    return tensor.permute(1, 2, 0).numpy()


# ---- decoders ---------------------------------------------------------------------------------------------------


def simplejpeg_decoder():
    import simplejpeg

    return simplejpeg.decode_jpeg


def opencv_decoder():
    import cv2

    cv2.setNumThreads(1)
    # As stored, and without a pass that swaps channels.
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return lambda data: cv2.imdecode(data, flags)


def torchvision_decoder():
    from torchvision.io import ImageReadMode, decode_jpeg

    return lambda data: decode_jpeg(data, ImageReadMode.RGB)


def pillow_image(data):
    from PIL import Image

    image = Image.open(BytesIO(data))
    image.load()
    return image.convert("RGB")


# ---- decode, crop, resize, flip ---------------------------------------------------------------------------------


def torchvision_crop():
    from torchvision.transforms.v2 import functional as F

    decoder = torchvision_decoder()

    def work(item):
        data, (x, y, w, h), flip = item
        image = F.resized_crop(decoder(data), y, x, h, w, [SIDE, SIDE], antialias=True)
        return F.horizontal_flip(image) if flip else image

    return work


def torchvision_pil_crop():
    from torchvision.transforms.v2 import functional as F

    def work(item):
        data, (x, y, w, h), flip = item
        image = F.resized_crop(pillow_image(data), y, x, h, w, [SIDE, SIDE])
        return np.asarray(F.horizontal_flip(image) if flip else image)

    return work


def pillow_crop():
    from PIL import Image

    def work(item):
        data, crop, flip = item
        image = pillow_resize((pillow_image(data), crop, flip))
        return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)

    return work


def opencv_crop():
    import cv2

    decoder, resizer = opencv_decoder(), opencv_resize()

    def work(item):
        data, crop, flip = item
        image = resizer((decoder(data), crop, flip))
        return cv2.flip(image, 1) if flip else image

    return work


def albumentations_crop():
    """It draws its own crops, of the same distribution."""
    import albumentations as A
    import cv2

    decoder = opencv_decoder()
    crop = A.RandomResizedCrop((SIDE, SIDE), interpolation=cv2.INTER_AREA)
    transform = A.Compose([crop, A.HorizontalFlip(p=0.5)], seed=0)
    return lambda data: transform(image=decoder(data))["image"]


# ---- resize -----------------------------------------------------------------------------------------------------


def pillow_resize(item):
    from PIL import Image

    image, (x, y, w, h), _ = item
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))


def opencv_resize():
    import cv2

    cv2.setNumThreads(1)

    def work(item):
        image, (x, y, w, h), _ = item
        return cv2.resize(image[y : y + h, x : x + w], (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    return work


def torchvision_resize():
    from torchvision.transforms.v2 import functional as F

    def work(item):
        image, (x, y, w, h), _ = item
        return F.resized_crop(image, y, x, h, w, [SIDE, SIDE], antialias=True)

    return work
