"""L in binary devices against the model, in amaranth.sim: every read, pulse, carry and count, also where cells fail."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from crosstrain_hdl import hybrid_wear
from crosstrain_hdl.emit import emit
from crosstrain_hdl.hybrid_cells import HybridCells
from crosstrain_hdl.hybrid_words import HybridWords
from crosstrain_hdl.tools import lint
from crosstrain_model.hybrid_cells import CellMemory


def load(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


side, cells = load("hybrid_bench"), load("hybrid_cells_bench")
Devices = cells.Devices
DESIGNS = {
    "8x8": side.tile(8, 8, 4),
    "8x8-back": side.tile(8, 8, 4, read_back=True, pulses=1),
    "13x7": side.tile(13, 7, 3, bits=5, remainder="clear", profile="asic", code="gray", read_back=True),
    "1x1": side.tile(1, 1, 1, bits=4, pulses=1, fraction=0, accumulator=8, read_back=True),
    "wide": side.tile(2, 12, 4, bits=12, pulses=15, accumulator=24, fraction=3, code="gray"),
}


def drawn_jobs(design, seed, count, *, host=0.1):
    """Rows of visits, and words that the host reads and writes among them."""
    rng, array, jobs = np.random.default_rng(seed), design.array, []
    for row, q, visits in side.rounded_visits(design, rng, count):
        jobs.append((row, q, visits))
        if rng.random() < host:
            row, group = int(rng.integers(array.rows)), int(rng.integers(array.groups))
            low, high = -design.hybrid.scale, design.hybrid.scale
            jobs.append((row, group))
            jobs.append((row, group, rng.integers(low, high, array.lanes).tolist()))
            jobs.append((row, group))
    return jobs


def expected(design, jobs, array):
    """What the model makes of them: its memory, rows of carries, words that the host reads."""
    memory, due, words, lanes = CellMemory(design), [], [], design.array.lanes
    memory.clips = 0
    for job in jobs:
        if isinstance(job[-1], list) and len(job[-1]) and isinstance(job[-1][0], tuple):
            row, q, _ = job
            before = memory.ledger["clipped"].copy()
            carries = memory.add_rows(np.array([row]), q[None], array)[0]
            memory.clips += np.count_nonzero(memory.ledger["clipped"] != before)
            if carries.any():
                due.append((row, side.grouped(design, carries).tolist()))
        elif len(job) == 2:
            found = memory.read_group(*job, array)
            words.append((found if found is not None else np.zeros(lanes, np.int64)).tolist())
        else:
            memory.load_group(job[0], job[1], np.array(job[2]), array)
    return memory, due, words


def check(design, jobs, *, chance=1.0, stalls=0.0, cancels=None, seed=1, **faults):
    """Runs jobs through hardware and model, on equal arrays, and compares everything."""
    ours, theirs = Devices(design, seed, **faults), Devices(design, seed, **faults)
    memory, due, words = expected(design, jobs, theirs)
    bench = cells.Bench(side, design, ours, seed=seed, chance=chance, stalls=stalls)
    bench.cancels = cancels or {}
    bench.run([job[2] if isinstance(job[1], np.ndarray) else job for job in jobs])
    assert ours.log == theirs.log
    assert np.array_equal(ours.bits, theirs.bits)
    assert bench.rows.seen == due
    assert bench.words == words
    assert bench.counters == memory.counts
    assert bench.clips == memory.clips
    assert [list(part) for part in memory.column_pulses] == bench.column_pulses
    assert [list(part) for part in memory.row_pulses] == bench.row_pulses
    return bench, memory


@pytest.mark.parametrize(("chance", "stalls"), [(1.0, 0.0), (0.4, 0.0), (1.0, 0.97), (0.5, 0.9)])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_read_pulse_and_carry(name, chance, stalls):
    design = DESIGNS[name]
    bench, memory = check(design, drawn_jobs(design, len(name), 60), chance=chance, stalls=stalls)
    assert memory.counts["set_commands"]
    assert memory.counts["reset_commands"]
    assert (memory.counts["read_backs"] > 0) == design.hybrid.read_back
    assert memory.counts["failed"] == 0


@pytest.mark.parametrize("name", ["8x8-back", "13x7", "1x1", "8x8"])
def test_cells_that_keep_their_bit(name):
    """L goes on from what the cells say; with a read-back they are counted, and only then."""
    design = DESIGNS[name]
    jobs = drawn_jobs(design, 5, 80)
    _, memory = check(design, jobs, chance=0.7, stuck=0.2 if name != "1x1" else 0.5)
    assert (memory.counts["failed"] > 0) == design.hybrid.read_back
    assert memory.ledger["disturbed"].any()


@pytest.mark.parametrize("name", ["8x8", "8x8-back", "13x7"])
def test_reads_that_fail_and_pulses_that_do_not_come(name):
    design, rng = DESIGNS[name], np.random.default_rng(7)
    fails, drops = (np.flatnonzero(rng.random(400) < 0.15).tolist() for _ in range(2))
    _, memory = check(design, drawn_jobs(design, 6, 100), chance=0.6, fails=fails, drops=drops)
    assert memory.counts["dropped"]
    assert (memory.counts["failed"] > 0) == design.hybrid.read_back


def test_an_abort_holds_the_visit_and_loses_nothing():
    """Whatever it falls on, the visit goes on behind it."""
    design = DESIGNS["8x8-back"]
    check(design, drawn_jobs(design, 8, 60), chance=0.7, cancels=dict.fromkeys(range(0, 150, 3), 9))


def break_carry(monkeypatch):
    """A read that failed makes carries all the same."""
    settle = HybridCells._settle

    def broken(self, m):
        settle(self, m)
        m.d.comb += self.w_end.eq(~self._back & ~self._host)

    monkeypatch.setattr(HybridCells, "_settle", broken)


def break_code(monkeypatch):
    """Gray code is read as it is written."""
    monkeypatch.setattr(HybridWords, "_decoded", lambda self, cell: cell)


def break_mask(monkeypatch):
    """All cells of a word are written."""
    masks = HybridWords._masks

    def broken(self, m, s3, held, written):
        masks(self, m, {**s3, "cells": ~s3["cells"]}, held, written)

    monkeypatch.setattr(HybridWords, "_masks", broken)


def break_wear(monkeypatch):
    """Pulses of a row are counted as half of what they are."""
    plus = hybrid_wear._plus
    halved = lambda amount: amount if len(amount) == 1 else amount[1:]  # noqa: E731
    monkeypatch.setattr(hybrid_wear, "_plus", lambda word, index, amount: plus(word, index, halved(amount)))


@pytest.mark.parametrize("fault", [break_carry, break_code, break_mask, break_wear])
def test_the_bench_sees_hardware_that_is_wrong(fault, monkeypatch):
    design, rng = DESIGNS["13x7"], np.random.default_rng(7)
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        check(design, drawn_jobs(design, 6, 60), fails=np.flatnonzero(rng.random(200) < 0.2).tolist())


@pytest.mark.parametrize("name", DESIGNS)
def test_emitted_text_is_clean(name, tmp_path):
    texts = emit(HybridCells(DESIGNS[name]), name="hybrid_cells", profile=DESIGNS[name].profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "hybrid_cells") == []
