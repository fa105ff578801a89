"""The augmentation operations in torchvision v2 on 8-bit tensors."""

import torch
from torchvision.transforms import v2
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


def color_jitter(image, *factors):
    return hue(saturation(contrast(brightness(image, factors[0]), factors[1]), factors[2]), factors[3])


def vertical_flip(image):
    return F.vertical_flip(image)


def rotate_90(image):
    return torch.rot90(image, 1, (1, 2)).contiguous()


def rotate_180(image):
    return torch.rot90(image, 2, (1, 2)).contiguous()


def padded_crop(image, x, y):
    left, top, right, bottom = max(-x, 0), max(-y, 0), max(x, 0), max(y, 0)
    padded = F.pad(image, [left, top, right, bottom], padding_mode="reflect")
    return F.crop(padded, bottom, right, SIDE, SIDE).contiguous()


TRANSFORM = v2.ElasticTransform(50.0, 5.0)


def elastic(image, alpha, sigma):
    return F.elastic(image, TRANSFORM.make_params([image])["displacement"], fill=0)


def erase(image, x, y, width, height):
    return F.erase(image, y, x, height, width, torch.tensor([124, 116, 104], dtype=torch.uint8).view(3, 1, 1))


def gaussian_noise(image, std):
    return F.gaussian_noise(image, 0.0, std)


WEIGHTS = ((torch.arange(81) * 37 % 19 - 8) / 60).view(3, 3, 3, 3)


def random_conv(image):
    result = torch.nn.functional.conv2d(image[None].float(), WEIGHTS, padding=1)[0]
    return result.round_().clamp_(0, 255).to(torch.uint8)


def high_pass(image, cutoff):
    frequencies = torch.fft.fftfreq(SIDE)
    kept = torch.hypot(frequencies[:, None], torch.fft.rfftfreq(SIDE)) >= cutoff
    back = torch.fft.irfft2(torch.fft.rfft2(image.float()) * kept, s=(SIDE, SIDE))
    return back.add_(128).clamp_(0, 255).to(torch.uint8)


def mixup(image, weight, other):
    return torch.lerp(other.float(), image.float(), weight).round_().to(torch.uint8)
