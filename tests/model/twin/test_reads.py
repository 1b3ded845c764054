"""Reads of many vectors, of few lines and of few outputs: both engines and every way through the kernels agree."""

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Formats
from crosstrain_model.design_device import Converters
from crosstrain_model.twin import ArrayTile

NOISES = ({}, {"adc_noise": 1.0}, {"read_noise": 0.02}, {"dac_noise": 0.01, "adc_noise": 0.5, "read_noise": 0.02})


def tile(rows, columns, noises, engine="numba", **formats):
    design = Design(
        array=Array(rows=rows, columns=columns, lanes=1), converters=Converters(**noises), formats=Formats(**formats)
    )
    made = ArrayTile(design, engine=engine)
    made.load_weights(np.random.default_rng(7).integers(-(2**20), 2**20, (rows, columns)))
    return made


def codes(count, lines, half=128):
    return np.random.default_rng(8).integers(-half, half, (count, lines))


@pytest.mark.parametrize("noises", NOISES)
@pytest.mark.parametrize("shape", [(25, 4), (4, 25), (64, 16), (40, 40), (300, 3), (1, 1)])
def test_engines_agree_on_batches(shape, noises):
    """70 vectors: two blocks and a rest, where reads go in blocks."""
    rows, columns = shape
    fast, plain = tile(rows, columns, noises), tile(rows, columns, noises, engine="numpy")
    for count in (70, 3, 64):
        x, d = codes(count, rows), codes(count, columns)
        assert np.array_equal(fast.forward(x), plain.forward(x))
        assert np.array_equal(fast.backward(d), plain.backward(d))
    assert np.array_equal(fast.counters, plain.counters)


@pytest.mark.parametrize("bits", [2, 4, 12])
def test_codes_of_any_width(bits):
    half = 2 ** (bits - 1)
    fast, plain = (tile(20, 6, {}, engine, x=bits, d=bits) for engine in ("numba", "numpy"))
    x = codes(66, 20, half)
    x[:8] = -half
    assert np.array_equal(fast.forward(x), plain.forward(x))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6])
def test_vectors_of_many_zeros(bits, share):
    """More lines than an int32 holds the products of; lines in fours and a rest, vectors in fours and a rest."""
    half = 2 ** (bits - 1)
    fast, plain = (tile(603, 35, {}, engine, x=bits, d=bits, adc=16) for engine in ("numba", "numpy"))
    for count in (1, 11):
        x = codes(count, 603, half) * (np.random.default_rng(9).random((count, 603)) < share)
        x[-1, -40:] = -half
        assert np.array_equal(fast.forward(x), plain.forward(x))
        d = codes(count, 35, half)
        assert np.array_equal(fast.backward(d), plain.backward(d))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("noises", NOISES)
@pytest.mark.parametrize("count", [1, 70])
def test_a_part_of_a_read_is_that_part(engine, noises, count):
    whole, part = (tile(30, 20, noises, engine) for _ in range(2))
    x, d = codes(count, 30), codes(count, 20)
    x[:, 25:], d[:, 7:] = 0, 0
    assert np.array_equal(part.forward(x[:, :25], 4), whole.forward(x)[:, :4])
    assert np.array_equal(part.backward(d[:, :7], 25), whole.backward(d)[:, :25])
    assert np.array_equal(part.forward(x[0, :25]), whole.forward(x[0]))
    assert np.array_equal(part.counters, whole.counters)


def test_a_code_out_of_range_anywhere_is_refused():
    array = tile(25, 4, {})
    for place, value in (((0, 0), 128), ((69, 24), -129), ((33, 3), 2**20)):
        x = codes(70, 25)
        x[place] = value
        with pytest.raises(ValueError, match=rf"forward x_codes = {value}: codes must be -128\.\.127"):
            array.forward(x)
    assert not array.counters.any()


def test_parts_that_are_not_there():
    array = tile(25, 4, {})
    for read in (lambda: array.forward(codes(2, 26)), lambda: array.forward(codes(2, 0))):
        with pytest.raises(ValueError, match=r"forward x_codes = .*: must be integers \[B, 25\]"):
            read()
    with pytest.raises(ValueError, match=r"forward outputs = 5: must be 0\.\.4"):
        array.forward(codes(2, 25), 5)
    with pytest.raises(ValueError, match=r"backward outputs = -1: must be 0\.\.25"):
        array.backward(codes(2, 4), -1)
