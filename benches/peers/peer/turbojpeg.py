"""libjpeg-turbo's own way to decode a part of an image, without a resize: what no crop can be faster than.

TurboJPEG 3 through ctypes, on the library that the `turbojpeg` wheel carries: ISLOW and fancy upsampling, the defaults. The
columns and rows outside the crop are not transformed, and nothing behind its last row is read.
"""

import ctypes
from importlib import metadata

import numpy as np
from PIL import Image

from .corpus import SIDE

DECOMPRESS, RGB = 1, 0
SUBSAMPLING = 4
# By the kind of subsampling: 4:4:4, 4:2:2, 4:2:0, grey, 4:4:0, 4:1:1, 4:4:1.
BLOCK_WIDTHS = (8, 16, 16, 8, 8, 32, 8)


class Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


class Factor(ctypes.Structure):
    _fields_ = [("numerator", ctypes.c_int), ("denominator", ctypes.c_int)]


def library():
    files = [file for file in metadata.files("turbojpeg") if file.name.startswith("libturbojpeg")]
    turbo = ctypes.CDLL(str(files[0].locate()))
    turbo.tj3Init.restype = ctypes.c_void_p
    turbo.tj3GetErrorStr.restype = ctypes.c_char_p
    turbo.tj3GetErrorStr.argtypes = [ctypes.c_void_p]
    turbo.tj3Get.argtypes = [ctypes.c_void_p, ctypes.c_int]
    turbo.tj3DecompressHeader.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    turbo.tj3SetScalingFactor.argtypes = [ctypes.c_void_p, Factor]
    turbo.tj3SetCroppingRegion.argtypes = [ctypes.c_void_p, Region]
    turbo.tj3Decompress8.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
    ]  # fmt: skip
    return turbo


class Cropper:
    """Decodes crops; with `scaled` at the smallest of 1/8, 1/4, 1/2 and 1 that leaves at least the final size."""

    def __init__(self, scaled):
        self.turbo, self.scaled = library(), scaled
        self.handle = self.turbo.tj3Init(DECOMPRESS)

    def check(self, status):
        if status:
            raise RuntimeError(self.turbo.tj3GetErrorStr(self.handle).decode())

    def decode(self, item):
        """The pixels from the last whole block before the crop to its right and bottom, with the crop in them."""
        data, (x, y, w, h), flip = item
        self.check(self.turbo.tj3DecompressHeader(self.handle, data, len(data)))
        divisor = next(d for d in (8, 4, 2, 1) if d == 1 or self.scaled and min(w, h) >= SIDE * d)
        self.check(self.turbo.tj3SetScalingFactor(self.handle, Factor(1, divisor)))
        block = max(1, BLOCK_WIDTHS[self.turbo.tj3Get(self.handle, SUBSAMPLING)] // divisor)
        x, y, w, h = (value / divisor for value in (x, y, w, h))
        left, top = int(x) // block * block, int(y)
        width, height = int(x + w) - left, int(y + h) - top
        self.check(self.turbo.tj3SetCroppingRegion(self.handle, Region(left, top, width, height)))
        pixels = np.empty((height, width, 3), np.uint8)
        self.check(self.turbo.tj3Decompress8(self.handle, data, len(data), pixels.ctypes.data, 0, RGB))
        return pixels, (x - left, y - top, x - left + w, y - top + h), flip

    @staticmethod
    def finished(result):
        """What is left to do, only for the check."""
        pixels, box, flip = result
        limits = (pixels.shape[1], pixels.shape[0]) * 2
        box = tuple(min(edge, limit) for edge, limit in zip(box, limits))
        if box[2] - box[0] > 0 and all(edge == int(edge) for edge in box):
            image = Image.fromarray(pixels).crop(tuple(map(int, box))).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        else:
            image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
        return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)
