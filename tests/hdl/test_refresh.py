"""Refresh hardware against the model, in amaranth.sim: every read, pulse, target and count, also where reads fail."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from amaranth import Cat

from crosstrain_hdl.emit import emit
from crosstrain_hdl.refresh import COUNTERS, Refresh, refresh_settings
from crosstrain_hdl.refresh_pairs import RefreshPairs
from crosstrain_hdl.tools import lint
from crosstrain_model.design import Array, Design, Formats, Pulse, Update
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_verify import Verify
from crosstrain_model.refresh import refresh_row
from crosstrain_model.write_verify import WriteVerify


def load(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


side = load("verify_bench")
Noise, Recorded, Steps = side.Noise, side.Recorded, side.Steps


def design(rows=5, columns=7, lanes=3, adc=8, fraction=5, profile="fpga", saturation=90, **verify):
    values = {"window": 3 << fraction, "set_margin": 0, "set_start": 3000, "set_step": 400, "set_stop": 40000}
    values |= {"reset_start": 30000, "reset_step": 500, "reset_stop": 60000, "cell_bits": 0} | verify
    return Design(
        scheme="hic", profile=profile, array=Array(rows=rows, columns=columns, lanes=lanes, pair="set-only"),
        formats=Formats(adc=adc, fraction=fraction), update=Update(max_pulses=3), verify=Verify(**values),
        hybrid=Hybrid(saturation=saturation), pulse=Pulse(width_set=4, width_reset=7, guard=3, amplitude_reset=0xC000),
    )  # fmt: skip


DESIGNS = {
    "5x7": design(),
    "8x8": design(8, 8, 4, profile="asic", reads_log2=2, cell_bits=4),
    "1x1": design(1, 1, 1, adc=6, fraction=0, saturation=12, reads_log2=1),
    "fine": design(3, 12, 4, adc=12, fraction=8, saturation=1400, reads_log2=4, cycles=1),
}


class Bench(side.Bench):
    """A Refresh in the place of write-verify; rows are numbers."""

    def __init__(self, design, array, *, seed=1, chance=1.0):
        values = {name: getattr(design.pulse, name, None) for name in ("amplitude_set", "amplitude_reset")}
        super().__init__(design, array, dut=Refresh(design), seed=seed, chance=chance, **values)
        self.values["saturation"] = design.hybrid.saturation
        self.values = {name: self.values[name] for name in refresh_settings(design)}

    async def _feed(self, ctx, rows, forms):
        dut = self.dut
        for row in rows:
            while not (ctx.get(dut.rest) and self.happens()):
                await ctx.tick()
            ctx.set(dut.row, row)
            await self._strobe(ctx, dut.go)
            ctx.set(dut.row, self.rng.randrange(self.design.array.rows))
            if self.cancelled:
                break
        self.fed = True

    async def _drive(self, ctx, rows, forms):
        await super()._drive(ctx, rows, forms)
        self.own = {name: ctx.get(getattr(self.dut, name)) for name in COUNTERS}


def check(tile, rows, array, other, *, chance=1.0, seed=1):
    """Refreshes rows by hardware on `array` and by the model on its equal `other`, and compares everything."""
    bench = Bench(tile, array, seed=seed, chance=chance)
    counters = bench.run(rows)
    verify = WriteVerify(tile)
    done = [refresh_row(verify, other, row, tile.hybrid.saturation) for row in rows]
    assert array.log == other.log
    assert counters == verify.counts
    pairs, failed = (sum(int(np.sum(getattr(one, name))) for one in done) for name in ("pairs", "failed"))
    assert bench.own == {"refresh_rows": len(rows), "refreshed": pairs, "refresh_failed": failed}
    if tile.verify.cell_bits:
        assert np.array_equal(bench.cells[:, : tile.array.device_columns], verify.cells)
    return bench, done


@pytest.mark.parametrize("chance", [1.0, 0.4])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_read_and_pulse(name, chance):
    tile = DESIGNS[name]
    rows = np.random.default_rng(len(name)).integers(0, tile.array.rows, 4).tolist()
    arrays = [Recorded(Steps(tile, 3, stuck=0.4)) for _ in range(2)]
    _, done = check(tile, rows, *arrays, chance=chance)
    assert sum(int(one.pairs.sum()) for one in done)
    assert sum(int(one.lost.sum()) for one in done) or name != "8x8"


@pytest.mark.parametrize("name", DESIGNS)
def test_codes_at_random(name):
    """Targets of all sizes, and pairs on both sides of G_sat."""
    tile = dataclasses.replace(DESIGNS[name], hybrid=Hybrid(saturation=(1 << DESIGNS[name].formats.adc) * 3 // 4))
    rows = np.random.default_rng(len(name)).integers(0, tile.array.rows, 8).tolist()
    check(tile, rows, *(Recorded(Noise(tile, 5)) for _ in range(2)))


@pytest.mark.parametrize(("number", "failed"), [(0, 1), (3, 1), (4, 0), (7, 0)])
def test_reads_that_fail_before_and_behind_the_reset(number, failed):
    """Reads 0 to 3 are those before it: nothing is pulsed, and the row is as it was."""
    tile = DESIGNS["8x8"]
    arrays = [Recorded(Steps(tile, 3), fails={number}) for _ in range(2)]
    bench, done = check(tile, [2], *arrays, chance=0.6)
    assert [one.failed for one in done] == [bool(failed)]
    assert any(kind == "pulse" for kind, *_ in bench.array.log) != bool(failed)
    assert any(one.lost.any() for one in done) != bool(failed)


def test_pulses_that_do_not_come():
    """The RESET among them: write-verify then finds devices above."""
    tile = DESIGNS["5x7"]
    check(tile, [0, 1, 2, 3], *(Recorded(Steps(tile, 3), drops={0, 3, 4, 9, 40}) for _ in range(2)), chance=0.7)


def test_a_row_in_which_nothing_is_due_is_read_and_left():
    tile = design(saturation=255)
    bench, _ = check(tile, [0, 1], *(Recorded(Steps(tile, 3)) for _ in range(2)))
    assert [kind for kind, *_ in bench.array.log] == ["read", "read"]


@pytest.mark.parametrize("at", range(12))
def test_an_abort_gives_up_what_is_behind_the_reset_and_leaves_what_is_before_it(at):
    """After `at` reads and pulses: four reads, the RESET, and then write-verify."""
    tile = DESIGNS["8x8"]
    bench = Bench(tile, Recorded(Steps(tile, 3)), chance=0.8)
    bench.cancel_at = at
    bench.run([2])
    pulses = [entry for entry in bench.array.log if entry[0] == "pulse"]
    due = int(refresh_row(WriteVerify(tile), Recorded(Steps(tile, 3)), 2, tile.hybrid.saturation).pairs.sum())
    assert bench.own["refresh_rows"] == 1
    assert bench.own["refresh_failed"] == (not pulses)
    assert bench.own["refreshed"] == (due if pulses else 0)
    assert bench.counters["passed"] + bench.counters["gave_up"] == (2 * due if pulses else 0)
    assert (bench.counters["gave_up"] > 0) == bool(pulses)
    assert len(bench.array.log) <= at + 1


def break_due(monkeypatch):
    """A pair is due by its plus device alone."""
    due = RefreshPairs._due

    def broken(self, m, last):
        both, lanes, bits = due(self, m, last), self.design.array.lanes, self.design.formats.adc + 4
        for lane in range(lanes):
            with_plus = self.sums.word_select(2 * lane, bits) > (self.saturation << 4)
            m.d.comb += both[lane].eq(with_plus)
        return both

    monkeypatch.setattr(RefreshPairs, "_due", broken)


def break_target(monkeypatch):
    """The sign of a weight is not looked at: what the pair was worth goes to the other device."""
    feed = RefreshPairs._feed

    def broken(self, m, came, last, due):
        sums, bits = self.sums, self.design.formats.adc + 4
        swapped = [sums.word_select(device ^ 1, bits) for device in range(2 * self.design.array.lanes)]
        self.sums = Cat(swapped)
        feed(self, m, came, last, due)
        self.sums = sums

    monkeypatch.setattr(RefreshPairs, "_feed", broken)


@pytest.mark.parametrize("fault", [break_due, break_target])
def test_the_bench_sees_hardware_that_is_wrong(fault, monkeypatch):
    fault(monkeypatch)
    tile = DESIGNS["5x7"]
    with pytest.raises(AssertionError):
        check(tile, [0, 1, 2, 3], *(Recorded(Steps(tile, 3)) for _ in range(2)))


@pytest.mark.parametrize("name", DESIGNS)
def test_emitted_text_is_clean(name, tmp_path):
    texts = emit(Refresh(DESIGNS[name]), name="refresh", profile=DESIGNS[name].profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "refresh") == []
