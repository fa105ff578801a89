"""ImageNet-C's corruptions at 224 x 224 against the `imagecorruptions` package; CPU time of one thread.

The package was written for older libraries: here it gets the names that NumPy 2, SciPy and scikit-image took away.
"""

import functools
import sys
import types
from pathlib import Path

import numpy as np

from .agree import pixels, statistics
from .corpus import squares
from .measure import Ours, Peer, Theirs

BENCHMARK = [
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
]  # fmt: skip
EXTRA = ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
# Those without random numbers can be compared pixel by pixel.
EXACT = {"defocus_blur": 40, "zoom_blur": 40, "brightness": 40, "contrast": 40, "pixelate": 30, "jpeg_compression": 35,
         "gaussian_blur": 40, "saturate": 40}  # fmt: skip
# The parts of a deviation by which the mean over some images may differ otherwise: each fog is one large cloud.
RANDOM, FOG = 0.2, 0.5
# Pillow's own C code does the work there.
NATIVE = ("pixelate", "jpeg_compression")
SEVERITY, IMAGES = 3, 4
# For the check, as some differ much from draw to draw.
CHECKED = 16
# What the published set is stored at, and how much of it there is.
QUALITY, SET_IMAGES = 85, 50_000
MOST_CORE_HOURS = 3


def run(bench, corpora):
    """Each corruption at severity 3, and the sum of the 15 of the benchmark."""
    package = imagecorruptions()
    frost = sorted((Path(package.__file__).parent / "frost").iterdir())[:5]
    file, images = squares(corpora["original"], IMAGES)
    more, checked = squares(corpora["original"], CHECKED)
    ours, totals, name = Ours(), {}, "imagecorruptions"
    for corruption in BENCHMARK + EXTRA:
        if not bench.wanted(f"{bench.name}/{corruption}"):
            continue
        sample = ours.open("corruption", corruption, SEVERITY, 0, more, *frost).results()
        ours.open("corruption", corruption, SEVERITY, 0, file, *frost)
        random = statistics(FOG if corruption == "fog" else RANDOM)
        check = pixels(EXACT[corruption]) if corruption in EXACT else random
        work = functools.partial(package.corrupt, severity=SEVERITY, corruption_name=corruption)
        peer = Peer(name, lambda: Theirs.each(work, images, check=checked), check, 1.0 if corruption in NATIVE else 5.0)
        best = bench.contest(f"{bench.name}/{corruption}", ours, sample, [peer], unit="ms")
        if best and corruption in BENCHMARK:
            totals[corruption] = best
    if len(totals) == len(BENCHMARK):
        sums = {side: sum(best[side] for best in totals.values()) for side in ("visrep", name)}
        bench.row(f"{bench.name}/sum", "ms", sums["visrep"], sums[name], name, 20.0)
    ours.close()


def whole_set(bench, corpora):
    """All of ImageNet-C from the time of a few images under 15 corruptions and 5 severities, JPEG included.

    Each image is encoded at quality 85 and decoded again, so that this is a little more than making the files."""
    package = imagecorruptions()
    frost = sorted((Path(package.__file__).parent / "frost").iterdir())[:5]
    file, images = squares(corpora["original"], IMAGES)
    ours = Ours().open("corruption", ",".join(BENCHMARK), "1,2,3,4,5", QUALITY, file, *frost)
    times = bench.take_turns(bench.name, {"visrep": ours}, "cpu", bench.settings.seconds)["visrep"]
    seconds = min(times) * SET_IMAGES * len(BENCHMARK) * 5
    bench.row(bench.name, "core-hours", seconds, MOST_CORE_HOURS * 3600, f"the limit of {MOST_CORE_HOURS} core-hours", 1.0)
    bench.details.append({"bench": bench.name, "clock": "cpu", "ours": times})
    ours.close()


def imagecorruptions():
    """The package, with what it needs put in place first."""
    import scipy.ndimage

    np.float_ = np.float64
    interpolation = types.ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates
    sys.modules["scipy.ndimage.interpolation"] = interpolation
    resources = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda name, path: str(Path(sys.modules[name].__file__).parent / path)
    sys.modules["pkg_resources"] = resources

    import imagecorruptions
    from imagecorruptions import corruptions

    plain = corruptions.gaussian

    def gaussian(image, sigma, multichannel=False, **options):
        return plain(image, sigma=sigma, channel_axis=-1 if multichannel else None, **options)

    corruptions.gaussian = gaussian
    return imagecorruptions
