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


def solarize_add(image, addition, threshold):
    return image.point([min(v + addition, 255) if v < threshold else v for v in range(256)] * 3)


def color_jitter(image, *factors):
    return hue(saturation(contrast(brightness(image, factors[0]), factors[1]), factors[2]), factors[3])


def vertical_flip(image):
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def rotate_90(image):
    return image.transpose(Image.Transpose.ROTATE_90)


def rotate_180(image):
    return image.transpose(Image.Transpose.ROTATE_180)


def warp(kind, filter):
    return lambda image, *map: image.transform(image.size, kind, map, filter)


affine_nearest, affine_bilinear, affine_bicubic, perspective_nearest, perspective_bilinear, perspective_bicubic = (
    warp(kind, filter)
    for kind in [Image.Transform.AFFINE, Image.Transform.PERSPECTIVE]
    for filter in [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
)


def erase(image, x, y, width, height):
    image = image.copy()
    image.paste((124, 116, 104), (x, y, x + width, y + height))
    return image


def gaussian_noise(image, std):
    noise = np.random.default_rng().normal(0, 255 * std, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
