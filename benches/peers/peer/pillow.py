"""The augmentation operations in Pillow."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from .corpus import SIDE

load = Image.fromarray
array = np.asarray
invert = ImageOps.invert
posterize = ImageOps.posterize
solarize = ImageOps.solarize
equalize = ImageOps.equalize
autocontrast = ImageOps.autocontrast


def resize(image):
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def center_crop(image):
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return image.crop((left, top, left + SIDE, top + SIDE))


def horizontal_flip(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def brightness(image, factor):
    return ImageEnhance.Brightness(image).enhance(factor)


def contrast(image, factor):
    return ImageEnhance.Contrast(image).enhance(factor)


def saturation(image, factor):
    return ImageEnhance.Color(image).enhance(factor)


def sharpness(image, factor):
    return ImageEnhance.Sharpness(image).enhance(factor)


def hue(image, turns):
    hue, saturation, value = image.convert("HSV").split()
    shift = round(255 * turns)
    return Image.merge("HSV", (hue.point(lambda level: (level + shift) % 256), saturation, value)).convert("RGB")


def grayscale(image):
    return image.convert("L").convert("RGB")


def pillow_blur(image, sigma):
    return image.filter(ImageFilter.GaussianBlur(sigma))


def rotate(image, degrees):
    return image.rotate(degrees, Image.Resampling.BILINEAR)


def mixup(image, weight, other):
    return Image.blend(other, image, weight)
