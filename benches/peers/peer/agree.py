"""Whether two sides did the same work, judged by what came out of it."""

import numpy as np


class Disagreement(Exception):
    """The two sides' results are too different for their times to be compared."""


def pixels(least_psnr):
    """Pixel by pixel: a peak signal-to-noise ratio of at least so many decibels."""

    def check(ours, theirs):
        same_size(ours, theirs)
        difference = np.abs(ours.astype(np.int16) - theirs)
        square = np.mean(np.square(difference, dtype=np.float64))
        psnr = 10 * np.log10(255**2 / square) if square else np.inf
        if psnr < least_psnr:
            raise Disagreement(f"PSNR {psnr:.1f} dB is below {least_psnr}, largest difference {difference.max()}")
        return f"PSNR {psnr:.1f} dB, largest difference {difference.max()}"

    return check


def statistics(tolerance):
    """Where each side draws its own random numbers: mean and deviation, within a part of the deviation."""

    def check(ours, theirs):
        same_size(ours, theirs)
        numbers = [(float(np.mean(x, dtype=np.float64)), float(np.std(x, dtype=np.float64))) for x in (ours, theirs)]
        (mean, deviation), (their_mean, their_deviation) = numbers
        shift = max(abs(mean - their_mean), abs(deviation - their_deviation)) / deviation
        text = f"mean {mean:.3g} and {their_mean:.3g}, deviation {deviation:.3g} and {their_deviation:.3g}"
        if not shift <= tolerance:
            raise Disagreement(f"{text}: {shift:.2f} deviations apart, more than {tolerance}")
        return text

    return check


def numbers(relative):
    """Number by number, within a part of the largest."""

    def check(ours, theirs):
        same_size(ours, theirs)
        difference = np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs))
        if not difference <= relative:
            raise Disagreement(f"relative difference {difference:.1e} is above {relative:.1e}")
        return f"relative difference {difference:.1e}"

    return check


def most(relative, share):
    """As `numbers`, for at least such a share of them: where rounding decides between equals, one choice changes a few."""

    def check(ours, theirs):
        same_size(ours, theirs)
        found = float(np.mean(np.abs(ours - theirs) <= relative * np.max(np.abs(theirs))))
        if not found >= share:
            raise Disagreement(f"{100 * found:.3f} % are within a relative {relative:.1e}, fewer than {100 * share:.3f}")
        return f"{100 * found:.4f} % within a relative {relative:.1e}"

    return check


def same_size(ours, theirs):
    if ours.shape != theirs.shape:
        raise Disagreement(f"{ours.size} values here, {theirs.size} there")
