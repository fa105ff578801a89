"""The augmentation operations in OpenCV, as one writes them by hand: arrays of 8-bit RGB."""

import cv2
import numpy as np

from .corpus import SIDE

cv2.setNumThreads(1)


def load(array):
    return array


def array(result):
    return result


def resize(image):
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def horizontal_flip(image):
    return cv2.flip(image, 1)


def brightness(image, factor):
    return cv2.convertScaleAbs(image, alpha=factor)


def contrast(image, factor):
    # A table: convertScaleAbs takes the absolute value of what falls below zero.
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    return cv2.LUT(image, np.clip(np.arange(256) * factor + (1 - factor) * mean, 0, 255).astype(np.uint8))


def saturation(image, factor):
    return cv2.addWeighted(image, factor, grayscale(image), 1 - factor, 0)


def hue(image, turns):
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    hue = cv2.LUT(hue, ((np.arange(256) + round(180 * turns)) % 180).astype(np.uint8))
    return cv2.cvtColor(cv2.merge((hue, saturation, value)), cv2.COLOR_HSV2RGB)


def grayscale(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def gaussian_blur(image, size, sigma):
    return cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT_101)


def solarize(image, threshold):
    return cv2.LUT(image, np.where(np.arange(256) < threshold, np.arange(256), 255 - np.arange(256)).astype(np.uint8))


def invert(image):
    return cv2.bitwise_not(image)


def posterize(image, bits):
    return cv2.LUT(image, (np.arange(256) & (0xFF << (8 - bits))).astype(np.uint8))


def rotate(image, degrees):
    centre = ((SIDE - 1) / 2, (SIDE - 1) / 2)
    return cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, degrees, 1), (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def mixup(image, weight, other):
    return cv2.addWeighted(image, weight, other, 1 - weight, 0)
