"""Converters beside exact fractions, and their noise beside its stated sigma."""

from fractions import Fraction
from math import floor, isqrt
from operator import mul

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters
from crosstrain_model.twin import ArrayTile, converter, noise


def sample(x=8, d=8, adc=9, rows=6, columns=5, pair="single", **fields):
    array, formats = Array(rows=rows, columns=columns, lanes=1, pair=pair), Formats(x=x, d=d, adc=adc)
    return Design(name="sample", array=array, formats=formats, converters=Converters(**fields))


NO_KEY = (np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.uint32))


@pytest.mark.parametrize("full_range", [8.0, 1.0, 0.5, 3.0, 1e-3, 1024.0])
@pytest.mark.parametrize(("bits", "adc"), [(8, 9), (2, 18), (12, 1), (12, 18), (2, 1)])
def test_codes_are_the_nearest_of_the_exact_quotient(bits, adc, full_range):
    """Halves up, at every half-way sum of a power-of-two range; elsewhere the gain is the stated M / 2^s."""
    part = converter.make(sample(adc=adc), bits=bits, full_range=full_range)
    gain = Fraction(2) ** (adc - bits - 14) / Fraction(full_range)
    stated = Fraction(part.multiplier, 2**part.shift)
    assert abs(stated / gain - 1) <= Fraction(1, 2**22)
    if full_range in (8.0, 1.0, 0.5, 1024.0):
        assert stated == gain
    near = [floor((k + Fraction(1, 2)) / stated) + off for k in (-3, -1, 0, 1, 5) for off in (-1, 0, 1)]
    sums = np.array([[0, 1, -1, 2**39, -(2**39), *near]], dtype=np.int64)
    full = 1 << (adc - 1)
    expected = [min(max(floor(int(s) * stated + Fraction(1, 2)), -full), full - 1) for s in sums[0]]
    assert part.codes(sums, np.zeros((1, 1), dtype=np.int64), NO_KEY, NO_KEY)[0].tolist() == expected


def test_ranges_mean_what_they_say():
    """`adc_range` full-scale products are the ADC's full scale; lsb turns codes back; a row read spans the weights."""
    tile = ArrayTile(sample(x=8, d=6, adc=9, adc_range=4.0, adc_range_backward=2.0))
    tile.load_weights(np.full((6, 5), tile.weight_one // 2))
    x = np.array([64, 0, 0, 0, 0, 0])
    assert tile.forward(x).tolist() == [256 // 4 // 4] * 5
    assert tile.forward(x)[0] * tile.forward_converter.lsb == 64 * 0.5
    assert tile.backward(np.array([16, 0, 0, 0, 0]))[0] == 256 // 2 // 4
    assert tile.read_row(3).tolist() == [128] * 5
    tile.load_weights(np.full((6, 5), tile.weight_one))
    assert tile.read_row(0).tolist() == [255] * 5
    assert tile.forward(np.full(6, -128)).tolist() == [-256] * 5
    assert tile.forward(np.full(6, 127)).tolist() == [255] * 5


@pytest.mark.parametrize("pair", ["single", "push-pull", "set-only"])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_quiet_reads_are_exact_sums(pair, engine):
    """No noise: codes equal Python's own integers, in both directions and for single rows, at the widest formats."""
    design = sample(x=12, d=12, adc=18, rows=37, columns=23, pair=pair, adc_range=4.0, adc_range_backward=4.0)
    tile, draw = ArrayTile(design, engine=engine), np.random.default_rng(3)
    tile.load_weights(draw.integers(-tile.weight_one, tile.weight_one, (37, 23), endpoint=True))
    shift, half = (6, 32) if pair == "single" else (7, 64)
    level = [[(int(w) + half) >> shift for w in row] for row in tile.weights]
    x, d = draw.integers(-2048, 2048, (9, 37)), draw.integers(-2048, 2048, (9, 23))
    x[0], x[1], d[0], d[1] = -2048, 2047, -2048, 2047

    def code(total, part):
        return min(max((total * part.multiplier * 2 + (1 << part.shift)) >> (part.shift + 1), -(2**17)), 2**17 - 1)

    def read(part, vectors, weights):
        return [[code(sum(map(mul, v, line)), part) for line in weights] for v in vectors.tolist()]

    forward = read(tile.forward_converter, x, list(zip(*level, strict=True)))
    backward = read(tile.backward_converter, d, level)
    assert tile.forward(x).tolist() == forward
    assert tile.backward(d).tolist() == backward
    assert tile.read_row(36).tolist() == [code(2048 * level[36][c], tile.row_converter) for c in range(23)]


def test_the_largest_tile_does_not_wrap():
    """1024 rows of extreme levels and weights, with and without DAC noise: engines agree, and with the exact sum."""
    for dac in (0.0, 1.0):
        design = sample(x=12, adc=18, rows=1024, columns=3, adc_range=1024.0, dac_noise=dac)
        codes = []
        for engine in ("numpy", "numba"):
            tile = ArrayTile(design, engine=engine)
            tile.load_weights(np.full((1024, 3), -tile.weight_one))
            codes.append(tile.forward(np.stack([np.full(1024, -2048), np.full(1024, 2047)])))
        assert np.array_equal(*codes)
        if not dac:
            assert codes[0].tolist() == [[2**17 - 1] * 3, [-(2**17) * 2047 // 2048] * 3]


def test_noise_has_its_sigma():
    """ADC noise in LSB, read noise per root of summed squares, DAC noise of full scale: within five standard errors."""
    draw = np.random.default_rng(1)
    x = np.tile(draw.integers(-128, 128, 16), (4000, 1))
    root = np.sqrt((x[0] ** 2).sum())
    for fields, sigma in (
        ({"adc_noise": 2.0}, 2.0),
        ({"read_noise": 0.02}, 0.02 * root / (4.0 * 2.0 ** (8 - 12))),
        ({"dac_noise": 0.01}, 0.01 * 128 * 0.5 * 4 / (4.0 * 2.0 ** (8 - 12))),
    ):
        tile = ArrayTile(sample(adc=12, rows=16, columns=8, adc_range=4.0, **fields))
        tile.load_weights(np.full((16, 8), tile.weight_one // 2))
        codes = tile.forward(x).astype(float)
        independent = codes[:, 0] if "dac_noise" in fields else codes.ravel()  # a line's noise is common to its columns
        assert abs(independent.std() - np.sqrt(sigma**2 + 1 / 12)) < 5 * sigma / np.sqrt(2 * independent.size)
        if "dac_noise" in fields:
            assert (codes == codes[:, :1]).all()


def test_root_is_the_integer_root():
    part = converter.make(sample(x=12, rows=1024), bits=12, full_range=8.0)
    rows = [[-2048] * 1024, [2047] * 1024, [0] * 1024, [1] + [0] * 1023, [3, 4] + [0] * 1022, list(range(-512, 512))]
    expected = [[isqrt(sum(v * v for v in row) << 8)] for row in rows]
    assert part.root(np.array(rows, dtype=np.int32)).tolist() == expected


def test_levels_keep_within_sixteen_bits():
    part = converter.make(sample(x=8, dac_noise=1.0), bits=8, full_range=8.0)
    codes = np.full((200, 64), 127, dtype=np.int32)
    key = noise.event_key(noise.base_key(1, 0, 0, noise.DAC_FORWARD), np.arange(200), np.zeros(200, dtype=np.int64))
    levels = part.levels(codes, key)
    assert np.abs(levels).max() <= 32767
    assert abs(levels.mean() / 64 - 127) < 5 * 128 / np.sqrt(levels.size)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(
    ("codes", "text"), [([128, 0, 0], "forward x_codes = 128: codes must be -128..127"), ([0, 0, -129], "= -129")]
)
def test_a_code_that_the_dac_lacks_is_refused(engine, codes, text):
    tile = ArrayTile(sample(rows=3), engine=engine)
    with pytest.raises(ValueError, match=text):
        tile.forward(np.array(codes))
    assert not tile.counters.any()


@pytest.mark.parametrize("bits", [2, 8, 12])
def test_engines_agree_on_the_last_bit_of_every_rounding(bits):
    # Strengths S of 1024 and 640: their products with z meet the half-way cases often.
    fields = {"dac_noise": 2**-15 * noise.Z_SIGMA, "adc_noise": 5 * 2**-9 * noise.Z_SIGMA, "read_noise": 0.0002}
    fields |= {"adc_range": 0.001, "adc_range_backward": 0.001, "adc_range_row": 0.001}
    answers = []
    for engine in ("numpy", "numba"):
        tile = ArrayTile(sample(x=bits, d=bits, adc=18, **fields), engine=engine)
        draw = np.random.default_rng(bits)
        tile.load_weights(draw.integers(-2, 3, (6, 5)) << 6)
        codes = draw.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2000, 6))
        rows = np.stack([tile.read_row(n % 6) for n in range(500)])
        answers.append((tile.forward(codes), tile.backward(codes[:, :5]), rows))
    for plain, fast in zip(*answers, strict=True):
        assert (np.abs(plain) < 2**17 - 1).mean() > 0.9
        assert np.array_equal(plain, fast)
