"""The augmentation operations in kornia, on the float tensors that it takes."""

import math

import torch
from kornia import color, enhance, filters
from kornia.geometry import transform

from .corpus import SIDE

brightness = enhance.adjust_brightness_accumulative
contrast = enhance.adjust_contrast_with_mean_subtraction
saturation = enhance.adjust_saturation_with_gray_subtraction
invert = enhance.invert
equalize = enhance.equalize


def load(array):
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()[None] / 255


def array(result):
    return (result[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


def resize(image):
    return transform.resize(image, (SIDE, SIDE), antialias=True)


def center_crop(image):
    return transform.center_crop(image, (SIDE, SIDE))


def horizontal_flip(image):
    return transform.hflip(image)


def hue(image, turns):
    return enhance.adjust_hue(image, 2 * math.pi * turns)


def grayscale(image):
    return color.rgb_to_grayscale(image).repeat(1, 3, 1, 1)


def gaussian_blur(image, size, sigma):
    return filters.gaussian_blur2d(image, (size, size), (sigma, sigma))


def solarize(image, threshold):
    return enhance.solarize(image, threshold / 255)


def posterize(image, bits):
    return enhance.posterize(image, bits)


def sharpness(image, factor):
    return enhance.sharpness(image, factor)


def rotate(image, degrees):
    return transform.rotate(image, torch.tensor([float(degrees)]))


def vertical_flip(image):
    return transform.vflip(image)


def rotate_180(image):
    return transform.rot180(image)


def mixup(image, weight, other):
    return torch.lerp(other, image, weight)
