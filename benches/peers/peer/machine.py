"""What the figures depend on besides the code: the machine, the versions, and what else was running."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from .surroundings import ROOT

PACKAGES = (
    "albumentations", "imagecorruptions", "kornia", "lightly", "numpy", "opencv-python", "opencv-python-headless", "pillow",
    "scikit-image", "scipy", "simplejpeg", "tensorflow-cpu", "timm", "torch", "torchvision", "turbojpeg",
)  # fmt: skip
INSTRUCTIONS = ("avx2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
# More than so much work for each core, before anything was measured, is somebody else's.
BUSY = 0.3


def describe(command):
    """The machine and the versions."""
    model, flags = "unknown", []
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        lines = {key.strip(): value.strip() for key, value in lines.items()}
        model, flags = lines.get("model name", model), lines.get("flags", "").split()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "cpu": model,
        "cores": os.cpu_count(),
        "isa": [name for name in INSTRUCTIONS if name in flags],
        "system": platform.platform(),
        "versions": {"visrep": commit(), "rustc": ask("rustc", "--version"), "python": platform.python_version()} | packages(),
        "load_average_before": load(),
    }


def packages():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def commit():
    changed = "-changed" if ask("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no") else ""
    return ask("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") + changed


def ask(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load():
    return [round(value, 2) for value in os.getloadavg()]


def busy():
    """A warning where the machine has other work."""
    average = os.getloadavg()[0]
    if average <= BUSY * os.cpu_count():
        return None
    return (
        f"warning: the load average is {average:.2f} on {os.cpu_count()} cores: something else is running. CPU times suffer from "
        "shared caches and clocks, wall times more. Do not publish these figures"
    )
