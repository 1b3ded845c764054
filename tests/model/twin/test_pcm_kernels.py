"""Compiled phase-change arrays: the same bits as the plain rule, in devices, reads and counters."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain_model.design import Array, Design
from crosstrain_model.design_device import Converters
from crosstrain_model.design_pcm import IDEAL, BinaryPcm, Pcm
from crosstrain_model.pulse import RESET, SET
from crosstrain_model.twin import pcm_kernels, powers
from crosstrain_model.twin.pcm_binary import PcmBinaryArray
from crosstrain_model.twin.pcm_drift import ONE, SECOND, TIME_LIMIT, Aging
from crosstrain_model.twin.pcm_tile import PcmTile

DESIGN = Design(
    name="sample", array=Array(rows=6, columns=7, lanes=3, pair="set-only"),
    converters=Converters(adc_range=4.0, adc_noise=0.7, read_noise=0.02),
)  # fmt: skip


@settings(deadline=None)  # the first one compiles
@given(st.integers(1, 2**63 - 1), st.integers(0, 80 << 16))
def test_logarithms_and_powers(n, e):
    assert int(pcm_kernels.log2(np.int64(n))) == int(powers.log2(n))
    assert int(pcm_kernels.power(np.int64(e))) == int(powers.power(e))


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
def test_corners_of_age(scale):
    aging = Aging.of(drift=scale, read_noise=scale)
    edges = [
        (g, xi, t)
        for g in (0, 1, 2, 12345, ONE // 2, ONE - 1, ONE)
        for xi in (-6 << 16, -1, 0, 1, 6 << 16)
        for t in (0, 1, 249, 250, 251, 20 * SECOND - 1, 20 * SECOND, 10**17, TIME_LIMIT - 1)
    ]
    g, xi, t = (np.array(part, np.int64) for part in zip(*edges, strict=True))
    seen, deviation, known = np.empty_like(g), np.empty_like(g), np.full((g.size, 2), -1)
    for moved in (g, g, ONE - g):  # what is remembered of a device is of its conductance
        pcm_kernels.age(moved, xi, t, aging.drift, aging.noise, known, seen, deviation)
        assert np.array_equal(seen, aging.drifted(moved, xi, t))
        assert np.array_equal(deviation, aging.deviation(moved, seen, t))


def used(array, codes):
    """What a run of all events answers."""
    rng, answers = np.random.default_rng(3), []
    for step in range(40):
        array.now_ns += int(rng.integers(0, 2 ** rng.integers(1, 50)))
        row, columns = int(rng.integers(6)), rng.random(array.device_columns) < 0.5
        array.pulse_row(row, columns, direction=(SET, RESET)[step % 3 == 0], amplitude=int(rng.integers(2**16)))
        answers.append(array.sense_row(int(rng.integers(6)) if step % 2 else row))
        if codes:
            answers.append(array.forward(rng.integers(-128, 128, (2, 6))).ravel())
            answers.append(array.backward(rng.integers(-128, 128, (1, 7))).ravel())
    return np.concatenate(answers)


@pytest.mark.parametrize("part", [Pcm(), IDEAL, BinaryPcm(), BinaryPcm(error_set=0.2, error_reset=0.1, stuck_low=0.1)])
def test_engines_are_equal(part):
    binary = isinstance(part, BinaryPcm)
    made = [
        (PcmBinaryArray if binary else PcmTile)(
            dataclasses.replace(DESIGN, **{"binary_pcm" if binary else "pcm": part}), engine=engine
        )
        for engine in ("numba", "numpy")
    ]
    assert [array.compiled for array in made] == [True, False]
    answers = [used(array, not binary) for array in made]
    assert np.array_equal(*answers)
    assert len(set(answers[0].tolist())) > 1
    assert all(np.array_equal(value, made[1].state()[name]) for name, value in made[0].state().items())


@pytest.mark.parametrize("array", [PcmTile, PcmBinaryArray])
def test_an_engine_that_is_not_there(array):
    with pytest.raises(ValueError, match=r'engine = "c": must be one of numba, numpy'):
        array(DESIGN, engine="c")
