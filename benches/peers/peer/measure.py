"""Two sides take turns at the same work; the best of the rounds counts."""

import gc
import math
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from .surroundings import BINARIES, OUTPUT, asked_for, for_ours


# From the seconds for one.
UNITS = {
    "images/s": lambda seconds: 1 / seconds,
    "pairs/s": lambda seconds: 1 / seconds,
    "ms": lambda seconds: seconds * 1e3,
    "us": lambda seconds: seconds * 1e6,
    "core-hours": lambda seconds: seconds / 3600,
}


class Refused(Exception):
    """visrep's side answered with an error, or not at all."""


class Ours:
    """visrep: the binary of benches/peers/src, one process that answers requests."""

    def __init__(self, threads=1):
        pipe, binary = subprocess.PIPE, BINARIES / "visrep-peers"
        self.process = subprocess.Popen([binary], stdin=pipe, stdout=pipe, text=True, env=for_ours(threads))
        self.units = 1

    def ask(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        status, *answer = self.process.stdout.readline().rstrip("\n").split("\t")
        if status != "ok":
            raise Refused(answer[0] if answer else "visrep-peers ended")
        return answer

    def open(self, *words):
        self.units = int(self.ask("open", *words)[0])
        return self

    def run(self, passes):
        cpu, wall = map(float, self.ask("run", passes))
        return {"cpu": cpu, "wall": wall}

    def results(self, dtype=np.uint8):
        """What one pass gives, in a row."""
        OUTPUT.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=OUTPUT) as file:
            self.ask("save", file.name)
            return np.fromfile(file.name, dtype)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    """A peer in this process: `once` does the work of one pass."""

    def __init__(self, once, results, units):
        self.once, self.results, self.units = once, results, units

    @classmethod
    def each(cls, work, items, array=np.asarray, check=None):
        """`work` on every item; for the check on those of `check`, where it is given, and `array` makes pixels of results."""

        def once():
            for item in items:
                work(item)

        def results():
            return np.concatenate([array(work(item)).ravel() for item in (items if check is None else check)])

        return cls(once, results, len(items))

    def run(self, passes):
        gc.collect()
        gc.disable()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(passes):
            self.once()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        gc.enable()
        return {"cpu": cpu, "wall": wall}


@dataclass
class Peer:
    """Who is compared with: `make` imports what it needs and returns a side."""

    name: str
    make: Callable
    check: Callable
    # The least ratio that is asked for; None where the row is for information.
    limit: float | None = 1.0


@dataclass
class Bench:
    """One bench's way to its rows."""

    name: str
    settings: object
    rows: list = field(default_factory=list)
    details: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    skipped: list = field(default_factory=list)

    def wanted(self, name):
        """Whether `--only` asks for the contest `name`."""
        return asked_for(self.settings.only, name)

    def contest(self, name, ours, sample, peers, unit="images/s", clock="cpu", seconds=None, rounds=None):
        """`ours` is open and `sample` are its results for the check; at most `rounds` of what is slow. Returns the seconds per
        unit by side's name."""
        say(f"{name}: checks")
        sides, notes = {"visrep": ours}, {}
        for peer in peers:
            try:
                side = peer.make()
                notes[peer.name] = peer.check(sample, side.results())
                sides[peer.name] = side
            except Exception as error:  # A peer may fail in any way; the others go on.
                self.fail(f"{name}: {peer.name}: {type(error).__name__}: {error}")
        if len(sides) == 1:
            return {}
        times = self.take_turns(name, sides, clock, seconds or self.settings.seconds, rounds)
        best = {side: min(values) for side, values in times.items()}
        for peer in peers:
            if peer.name in best:
                self.row(name, unit, best["visrep"], best[peer.name], peer.name, peer.limit)
                pair = {"ours": times["visrep"], "peer": times[peer.name], "peer_name": peer.name}
                medians = {"ours_median": statistics.median(pair["ours"]), "peer_median": statistics.median(pair["peer"])}
                self.details.append({"bench": name, "clock": clock, "check": notes[peer.name], **medians, **pair})
        return best

    def take_turns(self, name, sides, clock, seconds, rounds=None):
        """Seconds per unit of every round, by side. A turn lasts as many passes as take `seconds`; `rounds` is the most of them."""
        rounds = min(self.settings.rounds, rounds or self.settings.rounds)
        passes = {}
        for side, runner in sides.items():
            first = runner.run(1)["wall"]
            passes[side] = max(1, math.ceil(seconds / max(first, 1e-6)))
            if passes[side] > 1:  # A first pass is often slower than the others.
                second = runner.run(max(1, passes[side] // 10))["wall"] / max(1, passes[side] // 10)
                passes[side] = max(1, math.ceil(seconds / max(second, 1e-6)))
        times = {side: [] for side in sides}
        for turn in range(rounds):
            say(f"{name}: round {turn + 1} of {rounds}, {len(sides)} sides")
            for side, runner in sides.items():
                times[side].append(runner.run(passes[side])[clock] / (passes[side] * runner.units))
        return times

    def row(self, name, unit, ours, peer, peer_name, limit):
        """A line of the results from both sides' seconds per unit."""
        show = UNITS[unit]
        row = {"bench": name, "unit": unit, "ours": show(ours), "peer": show(peer), "peer_name": peer_name}
        row |= {"ratio": peer / ours, "limit": limit}
        self.rows.append(row)
        say(None)
        print(table_line(row), flush=True)

    def skip(self, name, reason):
        """A row that this machine cannot have."""
        self.skipped.append({"bench": name, "reason": reason})
        say(None)
        print(f"{name:<42} not measured: {reason}", flush=True)

    def fail(self, message):
        self.failures.append(message)
        say(None)
        print(f"FAILED {message}", flush=True)


def table_line(row):
    verdict = "" if row["limit"] is None else "pass" if row["ratio"] >= row["limit"] else "BELOW"
    limit = "" if row["limit"] is None else f"{row['limit']:.2f}"
    figures = f"{figure(row['ours']):>9} {figure(row['peer']):>9} {row['unit']:<10} {row['ratio']:>7.2f} {limit:>6} {verdict:<5}"
    return f"{row['bench']:<42} {figures} {row['peer_name']}"


TABLE_HEAD = f"{'bench':<42} {'visrep':>9} {'peer':>9} {'unit':<10} {'ratio':>7} {'limit':>6} {'':<5} peer"


def figure(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def say(text):
    """Progress, on a terminal on one line that is written over."""
    if not sys.stderr.isatty():
        if text and "round" not in text:
            print(f"  {text}", file=sys.stderr, flush=True)
        return
    sys.stderr.write("\r\033[K" + (text or ""))
    sys.stderr.flush()
