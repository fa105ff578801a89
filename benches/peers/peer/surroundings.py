"""Where things are, and what programs are started with; needs no library."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BINARIES = ROOT / "target" / "debug"
OUTPUT = ROOT / "target" / "visrep" / "peers"

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def limit_threads(environment, count):
    """Sets the variables that numeric libraries look at when they are loaded."""
    environment.update({name: str(count) for name in THREAD_VARIABLES}, OMP_WAIT_POLICY="passive")


def for_ours(threads):
    """The environment of visrep's programs."""
    environment = dict(os.environ)
    limit_threads(environment, threads)
    # Only there: PyTorch would take a LibTorch on this path for its own.
    if folder := environment.pop("VISREP_LIBTORCH", None):
        environment["LD_LIBRARY_PATH"] = folder
    return environment


def asked_for(only, name):
    """Whether the words of `--only` ask for the contest or bench `name`; no words ask for all."""
    return not only or any(f"{name}/".startswith(f"{word}/") or word.startswith(f"{name}/") for word in only)
