"""The images that every bench takes: originals, the same re-encoded at quality 80, and large ones, with drawn crops.

Where no folder is given, the originals are the repository's photographs and drawn images with the statistics of natural
ones (1/f noise and shapes), of ImageNet's sizes and, at quality 95 and 4:4:4, of its bytes.
"""

import hashlib
import json
import math
import random
import shutil
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .measure import say
from .surroundings import OUTPUT, ROOT

# Changes with anything below that changes a pixel or a crop.
RECIPE = 1
SIDE = 224
DRAWN = 245
LARGE_PIXELS = 2.5e6
# Enough to judge that two sides do the same work.
SAMPLE = 16


@dataclass
class Corpus:
    name: str
    # An ImageFolder.
    folder: str
    # A line for each image: path x y w h flip.
    crops: str
    # The same of the first few.
    sample: str
    images: int
    mean_bytes: int
    mean_megapixels: float

    @property
    def checked(self):
        """How many images the sample has."""
        return min(SAMPLE, self.images)

    def entries(self):
        """(bytes, (x, y, width, height), flip) of each image."""
        for line in Path(self.crops).read_text().splitlines():
            path, *numbers = line.rsplit(" ", 5)
            *crop, flip = map(int, numbers)
            yield Path(path).read_bytes(), tuple(crop), bool(flip)


def prepare(data, most):
    """The corpora by name, made once for each source. `data` is an ImageFolder or None; `most` bounds the originals."""
    recipe = {"recipe": RECIPE, "data": str(Path(data).resolve()) if data else None, "most": most}
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
    home = OUTPUT / "data" / (Path(data).resolve().name + "-" + key if data else "drawn-" + key)
    index = home / "corpora.json"
    if not index.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        made = make(home, Path(data).resolve() if data else None, most)
        index.write_text(json.dumps([asdict(corpus) for corpus in made], indent=1))
    return {corpus["name"]: Corpus(**corpus) for corpus in json.loads(index.read_text())}


def make(home, data, most):
    if data:
        folder, paths = originals(home, data, most)
    else:
        folder = home / "original"
        paths = draw(folder)
    yield listed(home, "original", folder, paths)
    again = reencode(paths, home / "q80-420", lambda image: image, 80)
    yield listed(home, "q80-420", home / "q80-420", again)
    # As many as there are bytes for in a reasonable time: each has a dozen times the pixels.
    few = paths[:: max(1, len(paths) // 32)][:32]
    large = reencode(few, home / "large", enlarge, 90)
    yield listed(home, "large", home / "large", large)


def originals(home, data, most):
    """The folder's RGB JPEGs, in place, or a copy of some spread over the folder where there are more than `most`."""
    say(f"looks for JPEGs in {data}")
    found = sorted(path for path in data.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not found:
        raise SystemExit(f"{data} holds no JPEGs in class folders: give an ImageFolder")
    if len(found) > most:
        kept = [found[i * len(found) // most] for i in range(most)]
        found = []
        for path in kept:
            copy = home / "original" / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            found.append(shutil.copyfile(path, copy))
        data = home / "original"
    return data, [path for path in found if Image.open(path).mode == "RGB"]


def draw(folder):
    """The repository's photographs and drawn images, all as JPEG of quality 95, 4:4:4."""
    photographs = sorted((ROOT / "fixtures" / "photos").glob("*/*"))
    images = [(path.stem, Image.open(path).convert("RGB")) for path in photographs]
    generator, paths = np.random.default_rng(0), []
    for index in range(len(images) + DRAWN):
        say(f"draws image {index + 1} of {len(images) + DRAWN}")
        name, image = images[index] if index < len(images) else (f"drawn{index:03}", natural(generator))
        if max(image.size) > 640:
            image.thumbnail((640, 640))
        path = folder / f"class{index % 8}" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=95, subsampling=0)
        paths.append(path)
    return paths


def natural(generator):
    """Shapes under 1/f noise, mostly grey, with some grain."""
    sizes, shares = [(500, 375), (375, 500), (500, 333), (500, 500), (400, 300)], [0.45, 0.2, 0.2, 0.05, 0.1]
    width, height = sizes[generator.choice(len(sizes), p=shares)]
    canvas = Image.new("RGB", (width, height), tuple(int(v) for v in generator.integers(40, 200, 3)))
    pen = ImageDraw.Draw(canvas)
    for _ in range(generator.integers(8, 30)):
        x, y = generator.uniform(-50, width), generator.uniform(-50, height)
        w, h = generator.exponential(90, 2) + 4
        shape = pen.ellipse if generator.random() < 0.5 else pen.rectangle
        shape((x, y, x + w, y + h), fill=tuple(int(v) for v in generator.integers(0, 256, 3)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    frequency[0, 0] = 1
    # A little steeper than 1/f: lenses blur.
    frequency **= 1.2

    def noise(deviation):
        spectrum = np.fft.fft2(generator.standard_normal((height, width))) / frequency
        spectrum[0, 0] = 0
        values = np.fft.ifft2(spectrum).real
        return values / values.std() * deviation

    light = noise(generator.uniform(8, 24)) + generator.normal(0, generator.uniform(0, 4.5), (height, width))
    pixels = np.asarray(canvas) * 0.7 + 35 + light[..., None] + np.dstack([noise(5) for _ in range(3)])
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def enlarge(image):
    scale = max(1.0, math.sqrt(LARGE_PIXELS / (image.width * image.height)))
    return image.resize((math.ceil(image.width * scale), math.ceil(image.height * scale)), Image.Resampling.BICUBIC)


def reencode(paths, folder, change, quality):
    """JPEGs of 4:2:0 in folders of the same names."""
    made = []
    for index, path in enumerate(paths):
        say(f"{folder.name}: image {index + 1} of {len(paths)}")
        copy = folder / path.parent.name / (path.stem + ".jpg")
        copy.parent.mkdir(parents=True, exist_ok=True)
        change(Image.open(path).convert("RGB")).save(copy, quality=quality, subsampling=2)
        made.append(copy)
    return made


def listed(home, name, folder, paths):
    """Draws torchvision's RandomResizedCrop and a flip for every image, and writes the lists."""
    say(f"{name}: draws crops")
    chance, lines, pixels = random.Random(1), [], 0
    for path in paths:
        width, height = Image.open(path).size
        pixels += width * height
        crop = random_crop(chance, width, height)
        lines.append(" ".join(map(str, (path, *crop, int(chance.random() < 0.5)))))
    crops, sample = home / f"{name}.txt", home / f"{name}-sample.txt"
    crops.write_text("\n".join(lines) + "\n")
    sample.write_text("\n".join(lines[:SAMPLE]) + "\n")
    size = sum(path.stat().st_size for path in paths)
    say(None)
    return Corpus(name, str(folder), str(crops), str(sample), len(paths), size // len(paths), pixels / len(paths) / 1e6)


def random_crop(chance, width, height):
    """8 to 100 % of the area, ratios of 3/4 to 4/3."""
    for _ in range(10):
        area = width * height * chance.uniform(0.08, 1)
        ratio = math.exp(chance.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return chance.randint(0, width - w), chance.randint(0, height - h), w, h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def squares(corpus, count, width=SIDE, height=SIDE):
    """Images of one size for what works on pixels: the middle of each photograph, resized. Returns the file of their
    bytes, for visrep, and the array, for the peers."""
    file = Path(corpus.crops).with_name(f"{corpus.name}-{count}-{width}x{height}.rgb")
    if not file.exists():
        images = [square(data, width, height) for data, *_ in list(corpus.entries())[:count]]
        file.write_bytes(np.stack(images).tobytes())
    return file, np.fromfile(file, np.uint8).reshape(-1, height, width, 3)


def square(data, width, height):
    return np.asarray(ImageOps.fit(Image.open(BytesIO(data)).convert("RGB"), (width, height), Image.Resampling.BICUBIC))
