"""How far the integer rule of `scale` is from the real-valued equations that it stands for, over its whole input range.

    python benchmarks/scale_error.py [--vectors 20000] [--plot FILE] [--seed 1] [--json FILE]

With codes of up to 8 bits every pair of greatest magnitudes comes, and every code below each; with 12 bits every one of
x, and random ones of d. Exponents are -128..127, RATE is random, and random means put max / mean at 2^-8 .. 2^4. The
equations are evaluated in double precision, with the means as the rule keeps them, and for the thresholds with the BL
that it chose; how far these means are from real ones is measured by itself.

The bars follow from the rule. k: 2 (1.4 + 2.1) units of 2^-12 in its logarithm. BL: wrong only where k is that near to
an integer. Thresholds: 1/2 of rounding, 1/4 of the factor, and what k / BL brings along, which words of 10 bits see.
Means: at a momentum of 12 a difference below 2^11 of 2^23 does not move one.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from common import reduced, report

from crosstrain_model.design import Design, Formats
from crosstrain_model.design_gradient import Random, Train
from crosstrain_model.scale import UNIT, Means, ScaleSettings, log_k, scale, thresholds, update_mean

CASES = [(8, 8, 5), (8, 8, 31), (2, 4, 1), (2, 10, 63), (12, 4, 5), (12, 10, 31), (12, 10, 63)]
"""Bits of the codes, random.bits w, l_max; the presets' first."""
VECTORS = 20_000
"""Per case, for the bars to hold."""
K_BAR, MEAN_BAR = 1.2e-3, 2.0**-12
WORD_BARS = {4: 1.0, 8: 1.0, 10: 1.5}
"""w -> greatest error of a threshold [2^-w]."""
CODES = 128
"""Most lines looked at on each side of a vector."""


def design(bits: int, word: int, slots: int) -> Design:
    return Design(
        scheme="agad", formats=Formats(x=bits, d=bits), train=Train(slots=slots), random=Random(bits=word)
    )


def vector(rng: np.random.Generator, number: int, most: int) -> tuple[list[int], list[int], Means]:
    """Sizes, exponents and means of one vector pair."""
    sizes = [number % most + 1, number // most % most + 1 if most <= CODES else int(rng.integers(1, most + 1))]
    exponents = rng.integers(-128, 128, 2).tolist()
    m_x, m_d = rng.integers(1 << 23, 1 << 24, 2).tolist()
    e_x, e_d = (
        round(math.log2(size) + exponent - 23.5 - rng.uniform(-8, 4))
        for size, exponent in zip(sizes, exponents, strict=True)
    )
    return sizes, exponents, Means(m_x=m_x, e_x=e_x, m_d=m_d, e_d=e_d)


def measure(bits: int, word: int, slots: int, vectors: int, rng: np.random.Generator) -> tuple[dict, np.ndarray]:
    """Figures of one case; [vectors, 4] k, its relative error, greatest threshold and greatest threshold error."""
    tile = design(bits, word, slots)
    most, full = 1 << (bits - 1), 1 << word
    rows, wrong, wrong_at, compared, squares = [], 0, 0.0, 0, 0.0
    dynamic = 0
    for number in range(vectors):
        (size_x, size_d), (ex, ed), means = vector(rng, number, most)
        rate = int(rng.integers(-1024, 256 * 8))
        settings = ScaleSettings(rate=rate, momentum=12, dynamic=1)
        scaled = scale(tile, settings, means, size_x, ex, size_d, ed)
        ratios = size_x / means.m_x * 2.0 ** (ex - means.e_x), size_d / means.m_d * 2.0 ** (ed - means.e_d)
        k = 2 ** (rate / 256) * ratios[0] * ratios[1]
        error = 2 ** (log_k(settings, means, size_x, ex, size_d, ed) / (1 << UNIT)) / k - 1
        if k <= slots:
            dynamic += 1
            if scaled.slots != math.ceil(k):
                wrong += 1
                wrong_at = max(wrong_at, abs(k / round(k) - 1))
        q = (1.0, k / slots) if k > slots else (min(math.sqrt(k / scaled.slots), 1),) * 2
        worst = 0.0
        for size, share, m in ((size_x, q[0], scaled.m_x), (size_d, q[1], scaled.m_d)):
            codes = np.arange(1, size + 1) if size <= CODES else np.append(rng.integers(1, size, CODES - 1), size)
            errors = thresholds(tile, codes, m) - full * np.minimum(share * codes / size, 1)
            worst = max(worst, float(np.abs(errors).max()))
            squares += float((errors**2).sum())
            compared += len(errors)
        rows.append((k, error, min(q[1], 1), worst))
    seen = np.array(rows)
    errors = seen[:, 1]
    figures = {
        "bits": bits, "w": word, "l_max": slots, "vectors": vectors,
        "k_most": float(np.abs(errors).max()), "k_rms": float(np.sqrt((errors**2).mean())),
        "k_bias": float(errors.mean()),
        "bl_wrong": wrong / max(dynamic, 1), "bl_wrong_at": wrong_at,
        "t_most": float(seen[:, 3].max()), "t_rms": math.sqrt(squares / compared),
    }  # fmt: skip
    return figures, seen


def means_error(vectors: int, rng: np.random.Generator) -> float:
    """Greatest relative error of a running mean against one in double precision, over all momenta."""
    worst = 0.0
    for momentum in range(13):
        (m, e), real = (0, 0), 0.0
        for number in range(vectors // 10):
            size, exponent = int(rng.integers(1, 2049)), int(rng.integers(-3, 4) + 20 * (number % 500 == 499))
            m, e = update_mean(m, e, size, exponent, momentum)
            value = size * 2.0**exponent
            real = value if number == 0 else real + (value - real) * 2.0**-momentum
            worst = max(worst, abs(m * 2.0**e / real - 1))
    return worst


def plot(path: str, title: str, seen: np.ndarray) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), constrained_layout=True)
    seen = seen[::3]
    left.scatter(seen[:, 0], 100 * seen[:, 1], s=2, alpha=0.4, linewidths=0, rasterized=True)
    left.set(xscale="log", xlim=(1e-6, 1e5), xlabel="k", ylabel="relative error of k [%]")
    right.scatter(seen[:, 2], seen[:, 3], s=2, alpha=0.4, linewidths=0, rasterized=True)
    right.set(xscale="log", xlim=(1e-3, 1.1), ylim=(0, None), xlabel="greatest probability of a column")
    right.set_ylabel("greatest error of a threshold [$2^{-w}$]")
    figure.suptitle(title)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vectors", type=int, default=VECTORS, help="per case")
    parser.add_argument("--plot", metavar="FILE", help="picture of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    print("bits   w  l_max   error of k [%]: most    rms    bias   BL wrong [%]  k off by [%]   t most    rms [2^-w]")
    cases, ok = [], True
    for number, case in enumerate(CASES):
        row, seen = measure(*case, args.vectors, rng)
        cases.append(row)
        columns = [
            f"{row['bits']:4d}  {row['w']:2d}  {row['l_max']:5d}",
            f"{100 * row['k_most']:20.3f}  {100 * row['k_rms']:5.3f}  {100 * row['k_bias']:6.3f}",
            f"{100 * row['bl_wrong']:13.2f}  {100 * row['bl_wrong_at']:12.3f}",
            f"{row['t_most']:7.2f}  {row['t_rms']:6.2f}",
        ]
        print("  ".join(columns), flush=True)
        ok &= max(row["k_most"], row["bl_wrong_at"]) <= K_BAR and row["t_most"] <= WORD_BARS[row["w"]]
        if number == 0 and args.plot:
            plot(args.plot, f"scale: {case[0]}-bit codes, w = {case[1]}, l_max = {case[2]}", seen)
    worst = means_error(args.vectors, rng)
    print(f"running means, momentum 0..12: relative error at most {worst:.1e}")
    ok &= worst <= MEAN_BAR
    figures = {"seed": args.seed, "bars": {"k": K_BAR, "mean": MEAN_BAR}, "cases": cases, "mean_most": worst}
    unheld = reduced(vectors=(args.vectors, VECTORS))
    return report("scale_error", figures, ok, args.json, unheld=unheld)


if __name__ == "__main__":
    raise SystemExit(main())
