"""Probes of frozen features against scikit-learn and PyTorch: CPU time, one thread."""

import numpy as np

from .agree import numbers
from .measure import Ours, Peer, Theirs

# Training vectors, test vectors, dimensions, classes. The kNN is one fifth of the search of 10,000 in 50,000.
SIZES = {"knn": (50_000, 2_000, 512, 1000), "ridge": (2_500, 1_000, 768, 100), "logistic": (4_000, 1_000, 384, 50)}
K, TEMPERATURE, L2 = 20, 0.07, 2.0**10


def run(bench, _corpora):
    """kNN, few-shot ridge and logistic regression."""
    for name, (unit, peers) in {
        "knn": ("images/s", [Peer("torch", knn_torch, numbers(1e-3)), Peer("scikit-learn", knn_sklearn, numbers(1e-3))]),
        "ridge": ("ms", [Peer("torch (eigh, as big_vision)", ridge_torch, numbers(1e-5)), Peer("scikit-learn", ridge_sklearn, numbers(1e-5))]),
        # Both stop at a gradient of 1e-4, each at a point of its own.
        "logistic": ("ms", [Peer("scikit-learn", logistic_sklearn, numbers(2e-2), 3.0)]),
    }.items():
        row = f"{bench.name}/{name}"
        if not bench.wanted(row):
            continue
        ours = Ours().open("probe", name, *SIZES[name])
        bench.contest(row, ours, ours.results(np.float32), peers, unit=unit)
        ours.close()


def features(first, samples, dim, classes):
    """The formula of src/probe.rs."""
    import torch

    rows = torch.arange(first, first + samples, dtype=torch.float64)[:, None]
    columns = torch.arange(dim, dtype=torch.float64)[None]
    labels = rows % classes

    def wave(numbers):
        return (numbers.sin() * 43_758.5453).frac()

    x = wave(labels * 78.233 + columns * 37.719) * 0.3 + wave(rows * 12.9898 + columns * 4.1414)
    return x.float(), labels[:, 0].long()


def sets(name):
    train, test, dim, classes = SIZES[name]
    return (*features(0, train, dim, classes), features(train, test, dim, classes)[0], classes)


def side(work, units):
    """A pass whose results are one array."""
    return Theirs(work, lambda: np.asarray(work(), dtype=np.float32).ravel(), units)


def knn_torch():
    import torch

    x, labels, test, classes = sets("knn")

    def work():
        bank = torch.nn.functional.normalize(x).T
        queries = torch.nn.functional.normalize(test)
        votes = []
        for chunk in queries.split(256):
            similarity, indices = (chunk @ bank).topk(K)
            weights = (similarity / TEMPERATURE).exp()
            vote = torch.zeros(len(chunk), classes).scatter_add_(1, labels[indices], weights)
            votes.append(vote / vote.sum(1, keepdim=True))
        return torch.cat(votes)

    return side(work, len(test))


def knn_sklearn():
    from sklearn.neighbors import KNeighborsClassifier

    x, labels, test, _ = sets("knn")
    x, labels, test = x.numpy(), labels.numpy(), test.numpy()

    def work():
        # The distance is 1 less the cosine.
        knn = KNeighborsClassifier(K, weights=lambda d: np.exp((1 - d) / TEMPERATURE), algorithm="brute", metric="cosine")
        return knn.fit(x, labels).predict_proba(test)

    return side(work, len(test))


def ridge_torch():
    import torch

    x, labels, test, classes = sets("ridge")

    def work():
        a, b = x.double(), test.double()
        mean, deviation = a.mean(0), a.std(0, unbiased=False) + 1e-5
        a, b = (torch.nn.functional.pad((v - mean) / deviation, (0, 1), value=100.0) for v in (a, b))
        y = 2.0 * torch.nn.functional.one_hot(labels, classes) - 1.0
        values, vectors = torch.linalg.eigh(a.T @ a)
        return b @ ((vectors / (values + L2)) @ (vectors.T @ (a.T @ y)))

    return side(work, 1)


def ridge_sklearn():
    from sklearn.linear_model import Ridge

    x, labels, test, classes = (v.numpy() if hasattr(v, "numpy") else v for v in sets("ridge"))

    def work():
        a, b = x.astype(np.float64), test.astype(np.float64)
        mean, deviation = a.mean(0), a.std(0) + 1e-5
        a, b = (np.pad((v - mean) / deviation, ((0, 0), (0, 1)), constant_values=100.0) for v in (a, b))
        return Ridge(alpha=L2, fit_intercept=False, solver="cholesky").fit(a, 2.0 * np.eye(classes)[labels] - 1.0).predict(b)

    return side(work, 1)


def logistic_sklearn():
    from sklearn.linear_model import LogisticRegression

    x, labels, test, _ = sets("logistic")
    x, labels, test = x.double().numpy(), labels.numpy(), test.double().numpy()
    return side(lambda: LogisticRegression(C=1.0, max_iter=1000, tol=1e-4).fit(x, labels).predict_proba(test), 1)
