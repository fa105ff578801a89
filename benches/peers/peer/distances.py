"""LPIPS against the authors' package; the Frechet distance, precision and recall against torch-fidelity; wall time, all cores.

LPIPS's networks have the same random weights on both sides, which this writes for visrep to read: time does not depend on them."""

import os

import numpy as np

from .agree import numbers
from .corpus import squares
from .measure import Ours, Peer, Theirs
from .surroundings import OUTPUT

# Pairs of a pass; samples and dimensions: Inception's, of which the peer's eigenvalues take so long that few rounds must do.
PAIRS, SAMPLES, DIMENSIONS, ROUNDS = 16, 4096, 2048, 2
# Samples on either side, whose distances the peer holds at a time, and the neighbour whose distance is a radius.
MANY, NEIGHBOUR = 10_000, 3
# The architectures of torchvision.
NETS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def run(bench, corpora):
    """Each image of a batch beside the next, at 224 x 224; two sets of features to one number."""
    threads = os.cpu_count()
    file, images = squares(corpora["original"], PAIRS)
    for net in NETS:
        name = f"{bench.name}/lpips-{net}"
        if not bench.wanted(name):
            continue
        trunk, heads, package = lpips_package(net, threads)
        ours = Ours(threads).open("distance", "lpips", net, trunk, heads, file)
        peers = [Peer("lpips", lambda: lpips_pairs(package, images), numbers(1e-4))]
        bench.contest(name, ours, ours.results(np.float32), peers, unit="pairs/s", clock="wall")
        ours.close()
    name = f"{bench.name}/frechet"
    if bench.wanted(name):
        ours = Ours(threads).open("distance", "frechet", SAMPLES, DIMENSIONS)
        peers = [Peer("torch-fidelity", lambda: fidelity(threads), numbers(1e-5))]
        bench.contest(name, ours, ours.results(np.float32), peers, unit="ms", clock="wall", rounds=ROUNDS)
        ours.close()
    name = f"{bench.name}/precision-recall"
    if bench.wanted(name):
        ours = Ours(threads).open("distance", "precision-recall", MANY, DIMENSIONS, NEIGHBOUR)
        # Single precision decides differently of a sample here and there.
        peers = [Peer("torch-fidelity", lambda: neighbourhoods(threads), numbers(2e-3))]
        bench.contest(name, ours, ours.results(np.float32), peers, unit="ms", clock="wall", rounds=ROUNDS)
        ours.close()


def lpips_package(net, threads):
    """The files of the network and of its heads, and the package's module with these weights."""
    import lpips
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    trunk = torchvision.models.get_model(NETS[net], weights=None)
    package = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False).eval()
    layers = dict(trunk.features.named_parameters())
    for name, parameter in package.net.named_parameters():
        # slice2.3.weight is the weight of features[3].
        parameter.data.copy_(layers[name.split(".", 1)[1]].data)
    heads = {name: parameter.data.abs_() for name, parameter in package.named_parameters() if name.startswith("lin") and name[3].isdigit()}
    files = [OUTPUT / f"{net}-{part}.safetensors" for part in ("trunk", "heads")]
    for file, tensors in zip(files, (trunk.state_dict(), heads)):
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, file)
    return *files, package


def lpips_pairs(package, images):
    import torch

    first = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1).contiguous()
    second = first.roll(1, 0)

    def work():
        with torch.inference_mode():
            return package(first, second)

    return Theirs(work, lambda: work().numpy().ravel(), len(images))


def feature_sets(samples):
    """The formula of src/distances.rs."""
    import torch

    def features(first, scale):
        rows = torch.arange(first, first + samples, dtype=torch.float64)[:, None]
        columns = torch.arange(DIMENSIONS, dtype=torch.float64)[None]
        noise = ((rows * 12.9898 + columns * 4.1414).sin() * 43_758.5453).frac()
        return ((noise + noise.roll(1, 1) * 0.5) * scale).float()

    return features(0, 1.0), features(samples, 1.2)


def fidelity(threads):
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    torch.set_num_threads(threads)

    first, second = feature_sets(SAMPLES)

    def work():
        from threadpoolctl import threadpool_limits

        with threadpool_limits(threads):
            statistics = [fid_features_to_statistics(features) for features in (first, second)]
            return fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]

    return Theirs(work, lambda: np.array([work()], np.float32), 1)


def neighbourhoods(threads):
    import torch
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    torch.set_num_threads(threads)
    real, generated = feature_sets(MANY)

    def work():
        return calculate_precision_recall_full(generated, real, NEIGHBOUR)

    return Theirs(work, lambda: np.array(work(), np.float32), 1)
