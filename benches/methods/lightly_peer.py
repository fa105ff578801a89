"""The methods of lightly's CIFAR-10 benchmark, from lightly's own heads, losses, transforms and ResNet.

The values are those of `docs/source/getting_started/benchmarks/cifar10_benchmark.py` of lightly, but for five: the ResNet's initial values are timm's; the cosine falls at each step;
SwAV has AdamW in the place of Adam, whose decay of 1e-6 is too small to tell them apart; DINO's head has three layers, as published; and what is measured
of DINO is the teacher. visrep does the same.
"""

import contextlib
import copy
import io
import math

import pyarrow.parquet as parquet
import torch
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss, SwaVLoss
from lightly.models import ResNetGenerator, utils
from lightly.models.modules import heads
from lightly.models.resnet import BasicBlock
from lightly.transforms import (
    BYOLTransform,
    BYOLView1Transform,
    BYOLView2Transform,
    DINOTransform,
    SimCLRTransform,
    SimSiamTransform,
    SwaVTransform,
)
from PIL import Image
from torch import nn
from torchvision.transforms import v2

BATCH = 128
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Files(torch.utils.data.Dataset):
    """A Parquet file of the Hugging Face layout, whose images are decoded whenever they are asked for."""

    def __init__(self, path, transform):
        table = parquet.read_table(path)
        images = table["image" if "image" in table.column_names else "img"]
        self.images = [image["bytes"] for image in images.to_pylist()]
        self.labels = table["label"].to_pylist()
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return Image.open(io.BytesIO(self.images[index])).convert("RGB")

    def __getitem__(self, index):
        return self.transform(self.image(index)), self.labels[index]


class Images(Files):
    """The same, decoded once."""

    def __init__(self, path, transform):
        super().__init__(path, transform)
        self.decoded = [super(Images, self).image(index) for index in range(len(self))]

    def image(self, index):
        return self.decoded[index]


class Method(nn.Module):
    """A backbone, what is trained with it, and the loss of two views."""

    splits = 0
    measured = "backbone"

    def __init__(self, width):
        super().__init__()
        resnet = ResNetGenerator("resnet-18", width=width / 64, num_splits=self.splits)
        resnet.apply(start)
        self.backbone = nn.Sequential(*list(resnet.children())[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.build(8 * width)

    def optimizer(self):
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.SGD(parameters, lr=0.06, momentum=0.9, weight_decay=5e-4)

    def follow(self, *names):
        """Copies that follow by a moving average."""
        for name in names:
            setattr(self, f"{name}_momentum", copy.deepcopy(getattr(self, name)))
            utils.deactivate_requires_grad(getattr(self, f"{name}_momentum"))
        self.followed = names

    def move(self):
        for name in self.followed:
            utils.update_momentum(getattr(self, name), getattr(self, f"{name}_momentum"), m=0.99)


def start(module):
    """timm's initial values, which visrep has too: short runs differ more by these than by anything else."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, BasicBlock):
        nn.init.zeros_(module.bn2.weight)


def plain(width, hidden, output, normalised):
    """Two layers, with a normalisation at the end or without."""
    last = nn.BatchNorm1d(output) if normalised else None
    blocks = [(width, hidden, nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)), (hidden, output, last, None)]
    return heads.ProjectionHead(blocks)


class SimCLR(Method):
    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)

    def build(self, width):
        self.head = heads.SimCLRProjectionHead(width, width, 128)
        self.criterion = NTXentLoss()

    def forward(self, a, b):
        return self.criterion(self.head(self.backbone(a)), self.head(self.backbone(b)))


class MoCo(Method):
    splits = 8
    transform = SimCLR.transform

    def build(self, width):
        self.head = heads.MoCoProjectionHead(width, width, 128)
        self.criterion = NTXentLoss(temperature=0.1, memory_bank_size=(4096, 128))
        self.follow("backbone", "head")

    def one(self, query, key):
        key, order = utils.batch_shuffle(key)
        query = self.head(self.backbone(query))
        key = utils.batch_unshuffle(self.head_momentum(self.backbone_momentum(key)), order)
        return self.criterion(query, key)

    def forward(self, a, b):
        self.move()
        return 0.5 * (self.one(a, b) + self.one(b, a))


class Byol(Method):
    transform = BYOLTransform(
        view_1_transform=BYOLView1Transform(input_size=32, gaussian_blur=0.0),
        view_2_transform=BYOLView2Transform(input_size=32, gaussian_blur=0.0),
    )

    def build(self, width):
        self.head = heads.BYOLProjectionHead(width, 1024, 256)
        self.predictor = heads.BYOLPredictionHead(256, 1024, 256)
        self.criterion = NegativeCosineSimilarity()
        self.follow("backbone", "head")

    def forward(self, a, b):
        self.move()
        p, q = (self.predictor(self.head(self.backbone(x))) for x in (a, b))
        with torch.no_grad():
            y, z = (self.head_momentum(self.backbone_momentum(x)) for x in (a, b))
        return 0.5 * (self.criterion(p, z) + self.criterion(q, y))


class SimSiam(Method):
    transform = SimSiamTransform(input_size=32, gaussian_blur=0.0)

    def build(self, width):
        self.head = plain(width, 2048, 2048, True)
        self.predictor = heads.SimSiamPredictionHead(2048, 512, 2048)
        self.criterion = NegativeCosineSimilarity()

    def forward(self, a, b):
        y, z = (self.head(self.backbone(x)) for x in (a, b))
        p, q = self.predictor(y), self.predictor(z)
        return 0.5 * (self.criterion(y.detach(), q) + self.criterion(z.detach(), p))


class BarlowTwins(Method):
    transform = Byol.transform

    def build(self, width):
        self.head = plain(width, 2048, 2048, False)
        self.criterion = BarlowTwinsLoss()

    def forward(self, a, b):
        return self.criterion(self.head(self.backbone(a)), self.head(self.backbone(b)))


class SwAV(Method):
    transform = SwaVTransform(
        crop_sizes=[32],
        crop_counts=[2],
        crop_min_scales=[0.14],
        crop_max_scales=[1.0],
        cj_strength=0.5,
        gaussian_blur=0,
    )

    def build(self, width):
        self.head = heads.SwaVProjectionHead(width, 512, 128)
        self.prototypes = heads.SwaVPrototypes(128, 512)
        self.criterion = SwaVLoss()

    def forward(self, a, b):
        self.prototypes.normalize()
        embed = lambda x: self.prototypes(nn.functional.normalize(self.head(self.backbone(x)), dim=1))
        return self.criterion([embed(a), embed(b)], [])

    def optimizer(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=1e-6)


class Dino(Method):
    # As visrep exports: lightly measures the student.
    measured = "backbone_momentum"
    transform = DINOTransform(global_crop_size=32, n_local_views=0, cj_strength=0.5, gaussian_blur=(0, 0, 0))

    def build(self, width):
        # PyTorch cannot copy a head with weight normalisation.
        self.head, self.head_momentum = (
            heads.DINOProjectionHead(width, 2048, 256, 2048, batch_norm=True) for _ in range(2)
        )
        self.head_momentum.load_state_dict(self.head.state_dict())
        utils.deactivate_requires_grad(self.head_momentum)
        self.criterion = DINOLoss(output_dim=2048)
        self.follow("backbone")
        self.followed = ("backbone", "head")

    def forward(self, a, b):
        self.move()
        with torch.no_grad():
            teacher = [self.head_momentum(self.backbone_momentum(x)) for x in (a, b)]
        return self.criterion(teacher, [self.head(self.backbone(x)) for x in (a, b)], epoch=0)


METHODS = {
    "simclr": SimCLR,
    "moco-v2": MoCo,
    "byol": Byol,
    "simsiam": SimSiam,
    "swav": SwAV,
    "dino": Dino,
    "barlow-twins": BarlowTwins,
}


def train(name, data, width, epochs, seed, scale=1.0):
    """The trained backbone; `scale` multiplies the learning rate."""
    torch.manual_seed(seed)
    method = METHODS[name](width)
    images = Images(data, method.transform)
    order = torch.Generator().manual_seed(seed)
    loader = torch.utils.data.DataLoader(images, BATCH, shuffle=True, drop_last=True, generator=order)
    fit(method, loader, epochs, scale)
    return getattr(method, method.measured)


def fit(method, loader, epochs, scale=1.0, cast=contextlib.nullcontext()):
    """Trains, and gives the loss of each step."""
    losses = []
    optimizer = method.optimizer()
    rate, step, steps = scale * optimizer.param_groups[0]["lr"], 0, epochs * len(loader)
    method.train()
    for _ in range(epochs):
        for views, _ in loader:
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad()
            with cast:
                loss = method(views[0], views[1])
            loss.backward()
            optimizer.step()
            step += 1
            losses.append(loss.item())
    return losses


@torch.no_grad()
def features(backbone, data):
    """Of every image as it is, and the labels."""
    as_it_is = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)])
    loader = torch.utils.data.DataLoader(Images(data, as_it_is), 256)
    backbone.eval()
    found = [(backbone(x), y) for x, y in loader]
    return torch.cat([x for x, _ in found]), torch.cat([y for _, y in found])
