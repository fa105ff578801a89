"""Probes of frozen features against scikit-learn and PyTorch: CPU time, one thread."""

from functools import partial

import numpy as np

from .agree import Disagreement, most, numbers, same_size
from .measure import Ours, Peer, Theirs

# Training vectors, test vectors, dimensions, classes.
SIZES = {
    "knn": (50_000, 10_000, 512, 1000),
    "ridge": (2_500, 1_000, 768, 100),
    "logistic": (4_000, 1_000, 384, 50),
    "logistic-correlated": (10_000, 2_000, 512, 10),
}
K, TEMPERATURE, L2, C = 20, 0.07, 2.0**10, 1.0


def run(bench, _corpora):
    """kNN, few-shot ridge and logistic regression."""
    for name, size in SIZES.items():
        row = f"{bench.name}/{name}"
        if not bench.wanted(row):
            continue
        ours = Ours().open("probe", name, *size)
        unit = "images/s" if name == "knn" else "ms"
        bench.contest(row, ours, ours.results(np.float32), PEERS[name](size), unit=unit)
        ours.close()


def minimum(size, correlated=False):
    """The objective of our solution, by both sides' own weights, is not above the peer's, and as many test samples are right."""
    train, test, dim, classes = size

    def check(ours, theirs):
        same_size(ours, theirs)
        (x, y), (_, labels) = features(0, train, dim, classes, correlated), features(train, test, dim, classes, correlated)
        x, y, labels = x.double().numpy(), y.numpy(), labels.numpy()

        def judge(results):
            p, weight, bias = np.split(results.astype(np.float64), [test * classes, (test + dim) * classes])
            weight = weight.reshape(dim, classes)
            logits = x @ weight + bias
            logits -= logits.max(1, keepdims=True)
            loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(train), y]
            accuracy = 100 * np.mean(p.reshape(test, classes).argmax(1) == labels)
            return loss.mean() + 0.5 / (C * train) * np.square(weight).sum(), accuracy

        (value, accuracy), (their_value, their_accuracy) = judge(ours), judge(theirs)
        text = f"objective {value:.8g} and {their_value:.8g}, accuracy {accuracy:.2f} and {their_accuracy:.2f} %"
        if not (value <= their_value * (1 + 1e-7) and accuracy >= their_accuracy - 0.1):
            raise Disagreement(text)
        return text

    return check


def features(first, samples, dim, classes, correlated=False):
    """The formula of src/probe.rs."""
    import torch

    rows = torch.arange(first, first + samples, dtype=torch.float64)[:, None]
    columns = torch.arange(dim, dtype=torch.float64)[None]
    labels = rows % classes

    def wave(numbers):
        return (numbers.sin() * 43_758.5453).frac()

    centres, noise = wave(labels * 78.233 + columns * 37.719), wave(rows * 12.9898 + columns * 4.1414)
    if correlated:
        mixing = wave(columns.T * 7.137 + columns * 3.771)
        x = (((centres * 0.1 + noise) * (columns + 1.0) ** -0.5) @ mixing).relu()
    else:
        x = centres * 0.3 + noise
    return x.float(), labels[:, 0].long()


def sets(size, correlated=False):
    train, test, dim, classes = size
    return (*features(0, train, dim, classes, correlated), features(train, test, dim, classes, correlated)[0], classes)


def side(work, units):
    """A pass whose results are one array."""
    return Theirs(work, lambda: np.asarray(work(), dtype=np.float32).ravel(), units)


def knn_torch(size):
    import torch

    x, labels, test, classes = sets(size)

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


def knn_sklearn(size):
    from sklearn.neighbors import KNeighborsClassifier

    x, labels, test, _ = sets(size)
    x, labels, test = x.numpy(), labels.numpy(), test.numpy()

    def work():
        # The distance is 1 less the cosine.
        knn = KNeighborsClassifier(K, weights=lambda d: np.exp((1 - d) / TEMPERATURE), algorithm="brute", metric="cosine")
        return knn.fit(x, labels).predict_proba(test)

    return side(work, len(test))


def ridge_torch(size):
    import torch

    x, labels, test, classes = sets(size)

    def work():
        a, b = x.double(), test.double()
        mean, deviation = a.mean(0), a.std(0, unbiased=False) + 1e-5
        a, b = (torch.nn.functional.pad((v - mean) / deviation, (0, 1), value=100.0) for v in (a, b))
        y = 2.0 * torch.nn.functional.one_hot(labels, classes).double() - 1.0
        values, vectors = torch.linalg.eigh(a.T @ a)
        return b @ ((vectors / (values + L2)) @ (vectors.T @ (a.T @ y)))

    return side(work, 1)


def ridge_sklearn(size):
    from sklearn.linear_model import Ridge

    x, labels, test, classes = (v.numpy() if hasattr(v, "numpy") else v for v in sets(size))

    def work():
        a, b = x.astype(np.float64), test.astype(np.float64)
        mean, deviation = a.mean(0), a.std(0) + 1e-5
        a, b = (np.pad((v - mean) / deviation, ((0, 0), (0, 1)), constant_values=100.0) for v in (a, b))
        return Ridge(alpha=L2, fit_intercept=False, solver="cholesky").fit(a, 2.0 * np.eye(classes)[labels] - 1.0).predict(b)

    return side(work, 1)


def logistic_sklearn(size, dtype, correlated=False):
    from sklearn.linear_model import LogisticRegression

    x, labels, test, _ = sets(size, correlated)
    x, labels, test = x.numpy().astype(dtype), labels.numpy(), test.numpy().astype(dtype)

    def work():
        fit = LogisticRegression(C=C, max_iter=1000, tol=1e-4).fit(x, labels)
        return np.concatenate([fit.predict_proba(test).ravel(), fit.coef_.T.ravel(), fit.intercept_])

    return side(work, 1)


def peers_of(checks):
    """Peers from (name, how to make one of a size, check of a size, least ratio)."""
    return lambda size: [Peer(name, partial(make, size), check(size), limit) for name, make, check, limit in checks]


def logistic_peers(correlated):
    """scikit-learn in f64, as it fits what it is given in half or double precision, and in f32."""
    make, check = partial(logistic_sklearn, correlated=correlated), partial(minimum, correlated=correlated)
    double, single = partial(make, dtype=np.float64), partial(make, dtype=np.float32)
    return peers_of([("scikit-learn", double, check, 3.0), ("scikit-learn in f32", single, check, None)])


PEERS = {
    "knn": peers_of(
        [("torch", knn_torch, lambda _: most(1e-3, 0.999), 1.0), ("scikit-learn", knn_sklearn, lambda _: most(1e-3, 0.999), 1.0)]
    ),
    "ridge": peers_of(
        [
            ("torch (eigh, as big_vision)", ridge_torch, lambda _: numbers(1e-5), 1.0),
            ("scikit-learn", ridge_sklearn, lambda _: numbers(1e-5), 1.0),
        ]
    ),
    # All stop at a gradient of 1e-4; visrep only where little can be gained beyond.
    "logistic": logistic_peers(False),
    "logistic-correlated": logistic_peers(True),
}
