"""The augmentation operations in torchvision v2 on 8-bit tensors."""

import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from .corpus import SIDE

horizontal_flip = F.horizontal_flip
brightness = F.adjust_brightness
contrast = F.adjust_contrast
saturation = F.adjust_saturation
sharpness = F.adjust_sharpness
hue = F.adjust_hue
invert = F.invert
posterize = F.posterize
solarize = F.solarize
equalize = F.equalize
autocontrast = F.autocontrast


def load(array):
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def array(result):
    return result.permute(1, 2, 0).numpy()


def resize(image):
    return F.resize(image, [SIDE, SIDE], antialias=True)


def center_crop(image):
    # Else it is a view of the image.
    return F.center_crop(image, [SIDE, SIDE]).contiguous()


def grayscale(image):
    return F.rgb_to_grayscale(image, 3).contiguous()


def gaussian_blur(image, size, sigma):
    return F.gaussian_blur(image, [size, size], [sigma, sigma])


def rotate(image, degrees):
    return F.rotate(image, degrees, InterpolationMode.BILINEAR)
