"""Whole evaluations from JPEG files against the usual Python script: timm's network and transform, a DataLoader of two workers; wall time.

The networks have the same random weights on both sides, which this writes for visrep to read."""

import os

import numpy as np

from .agree import numbers, statistics
from .corruptions import BENCHMARK, imagecorruptions
from .measure import Ours, Peer, Theirs
from .surroundings import OUTPUT

WORKERS, BATCH = 2, 32
MODELS, IMAGES = ("resnet50", "vit_small_patch16_224"), 64
# One of each group of ImageNet-C, and all.
SOME = ["gaussian_noise", "motion_blur", "fog", "contrast", "jpeg_compression"]
CORRUPTED = {"some": (SOME, 8), "all": (BENCHMARK, 3)}
CLASSIFIER = "resnet18"


def features(bench, corpora):
    """Decoding, resizing and the network; the vector before the classifier."""
    threads, folder = os.cpu_count(), corpora["original"].folder
    for name in MODELS:
        row = f"{bench.name}/{name}"
        if not bench.wanted(row):
            continue
        model, weights = network(name, threads)
        ours = Ours(threads).open("evaluation", "features", name, weights, folder, IMAGES, BATCH, WORKERS)
        peers = [
            Peer("timm, DataLoader", lambda: timm_features(model, folder), numbers(2e-3)),
            Peer("timm channels_last, DataLoader", lambda: timm_features(model, folder, channels_last=True), numbers(2e-3)),
        ]
        # ViTs have no use for the other format.
        bench.contest(row, ours, ours.results(np.float32), peers[: 2 if "resnet" in name else 1], clock="wall")
        ours.close()


def corruptions(bench, corpora):
    """Every severity of some corruptions, and the images as they are: decoded, resized, corrupted, classified."""
    threads, folder = os.cpu_count(), corpora["original"].folder
    for part, (names, images) in CORRUPTED.items():
        row = f"{bench.name}/{part}"
        if not bench.wanted(row):
            continue
        model, weights = network(CLASSIFIER, threads)
        words = ("corruptions", CLASSIFIER, weights, folder, images, BATCH, WORKERS, ",".join(names))
        ours = Ours(threads).open("evaluation", *words)
        # Mean confidences of the conditions; some corruptions are random, and there are few images.
        check = statistics(0.5)
        peers = [Peer("imagecorruptions, timm, DataLoader", lambda: timm_corruptions(model, folder, names, images), check, 3.0)]
        bench.contest(row, ours, ours.results(np.float32), peers, clock="wall")
        ours.close()


def network(name, threads):
    """timm's network with random weights, and the file that holds them."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = timm.create_model(name).eval()
    file = OUTPUT / f"{name}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, file)
    return model, file


def transform_of(model):
    from timm.data import create_transform, resolve_model_data_config

    return create_transform(**resolve_model_data_config(model), is_training=False)


def batches(data):
    import torch

    # Workers that stay, as in loader.py.
    workers = {"num_workers": WORKERS, "persistent_workers": True, "multiprocessing_context": "fork"}
    return torch.utils.data.DataLoader(data, BATCH, **workers)


def timm_features(model, folder, channels_last=False):
    import torch
    from torchvision.datasets import ImageFolder

    memory = torch.channels_last if channels_last else torch.contiguous_format
    loader = batches(torch.utils.data.Subset(ImageFolder(folder, transform_of(model)), range(IMAGES)))

    def work():
        model.to(memory_format=memory)
        with torch.inference_mode():
            rows = [
                model.forward_head(model.forward_features(x.to(memory_format=memory)), pre_logits=True) for x, _ in loader
            ]
        return torch.cat(rows)

    return Theirs(work, lambda: work().numpy().ravel(), IMAGES)


class Corrupted:
    """Every image under every condition, image by image, each decoded and resized as often as it is needed."""

    def __init__(self, folder, images, transform, conditions):
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import Compose

        self.data, self.images, self.conditions = ImageFolder(folder), images, conditions
        # Resize and crop come before the corruption, tensor and normalisation after it.
        self.before, self.after = (Compose(part) for part in (transform.transforms[:2], transform.transforms[2:]))
        self.corrupt = imagecorruptions().corrupt

    def __len__(self):
        return self.images * len(self.conditions)

    def __getitem__(self, index):
        from PIL import Image

        image = self.before(self.data[index // len(self.conditions)][0])
        nth = index % len(self.conditions)
        if condition := self.conditions[nth]:
            name, severity = condition
            image = Image.fromarray(self.corrupt(np.asarray(image), corruption_name=name, severity=severity))
        return self.after(image), nth


def timm_corruptions(model, folder, names, images):
    import torch

    conditions = [None] + [(name, severity) for name in names for severity in range(1, 6)]
    loader = batches(Corrupted(folder, images, transform_of(model), conditions))

    def work():
        sums = torch.zeros(len(conditions), dtype=torch.float64)
        with torch.inference_mode():
            for x, conditions_of in loader:
                confidence = model(x).softmax(1).amax(1)
                sums.index_add_(0, conditions_of, confidence.double())
        return sums / images

    return Theirs(work, lambda: work().numpy().astype(np.float32), images * len(conditions))
