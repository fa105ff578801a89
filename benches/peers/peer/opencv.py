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


def solarize_add(image, addition, threshold):
    values = np.arange(256)
    return cv2.LUT(image, np.where(values < threshold, np.minimum(values + addition, 255), values).astype(np.uint8))


def equalize(image):
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])


def autocontrast(image):
    table = np.empty((256, 1, 3), np.uint8)
    for channel, values in enumerate(cv2.split(image)):
        low, high, _, _ = cv2.minMaxLoc(values)
        scale = 255 / (high - low) if high > low else 1
        table[:, 0, channel] = np.clip((np.arange(256) - (low if high > low else 0)) * scale, 0, 255)
    return cv2.LUT(image, table)


def sharpness(image, factor):
    kernel = np.float32([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    result = cv2.addWeighted(image, factor, cv2.filter2D(image, -1, kernel), 1 - factor, 0)
    for edge in [np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]]:
        result[edge] = image[edge]
    return result


def color_jitter(image, *factors):
    return hue(saturation(contrast(brightness(image, factors[0]), factors[1]), factors[2]), factors[3])


def vertical_flip(image):
    return cv2.flip(image, 0)


def rotate_90(image):
    return cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)


def rotate_180(image):
    return cv2.rotate(image, cv2.ROTATE_180)


def padded_crop(image, x, y):
    left, top, right, bottom = max(-x, 0), max(-y, 0), max(x, 0), max(y, 0)
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    return padded[bottom : bottom + SIDE, right : right + SIDE].copy()


def warp(filter):
    def apply(image, *map):
        matrix = np.array([*map, 1.0] if len(map) == 8 else [*map, 0.0, 0.0, 1.0]).reshape(3, 3)
        # From pixel corners to pixel centres.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = np.linalg.inv(half) @ matrix @ half
        if len(map) == 8:
            return cv2.warpPerspective(image, matrix, (SIDE, SIDE), flags=filter | cv2.WARP_INVERSE_MAP)
        return cv2.warpAffine(image, matrix[:2], (SIDE, SIDE), flags=filter | cv2.WARP_INVERSE_MAP)

    return apply


affine_nearest = perspective_nearest = warp(cv2.INTER_NEAREST)
affine_bilinear = perspective_bilinear = warp(cv2.INTER_LINEAR)
affine_bicubic = perspective_bicubic = warp(cv2.INTER_CUBIC)


def elastic(image, alpha, sigma):
    def field(axis):
        noise = np.random.default_rng().random((SIDE, SIDE), np.float32) * alpha - alpha / 2
        noise = cv2.GaussianBlur(noise, (8 * sigma + 1, 8 * sigma + 1), sigma, borderType=cv2.BORDER_REFLECT_101)
        return noise + np.arange(SIDE, dtype=np.float32).reshape((1, -1) if axis else (-1, 1))

    return cv2.remap(image, field(1), field(0), cv2.INTER_LINEAR)


def erase(image, x, y, width, height):
    image = image.copy()
    return cv2.rectangle(image, (x, y, width, height), (124, 116, 104), cv2.FILLED)


def gaussian_noise(image, std):
    noise = cv2.randn(np.empty(image.shape, np.int16), 0, 255 * std)
    return cv2.add(image, noise, dtype=cv2.CV_8U)


WEIGHTS = ((np.arange(81) * 37 % 19 - 8) / 60).astype(np.float32).reshape(3, 3, 3, 3)


def random_conv(image):
    channels = cv2.split(image)
    sums = [
        sum(cv2.filter2D(values, cv2.CV_32F, weights, borderType=cv2.BORDER_CONSTANT) for values, weights in zip(channels, row))
        for row in WEIGHTS
    ]
    return cv2.merge([cv2.convertScaleAbs(np.maximum(total, 0)) for total in sums])


def high_pass(image, cutoff):
    frequencies = np.fft.fftfreq(SIDE)
    kept = (np.hypot(frequencies[:, None], frequencies) >= cutoff).astype(np.float32)
    result = []
    for values in cv2.split(image):
        spectrum = cv2.dft(values.astype(np.float32), flags=cv2.DFT_COMPLEX_OUTPUT)
        spectrum *= kept[..., None]
        back = cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE)
        result.append(np.clip(back + 128, 0, 255).astype(np.uint8))
    return cv2.merge(result)
