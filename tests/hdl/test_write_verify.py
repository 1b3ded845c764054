"""Write-verify hardware against the model, in amaranth.sim: every read, pulse and mask, and what is counted."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.tools import lint
from crosstrain_hdl.weight_copy import WeightCopy
from crosstrain_hdl.write_verify import WriteVerify
from crosstrain_model.design import Array, Design, Formats, Pulse, Update
from crosstrain_model.design_device import Rram
from crosstrain_model.design_verify import Verify
from crosstrain_model.port import Op
from crosstrain_model.pulse import row_buffers
from crosstrain_model.twin.rram_tile import RramTile


def load(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


side = load("verify_bench")
Bench, Noise, Recorded, Steps, expect = side.Bench, side.Noise, side.Recorded, side.Steps, side.expect


def design(rows=5, columns=7, lanes=3, adc=8, fraction=5, profile="fpga", **verify):
    scale = 1 << fraction
    levels = {"range": 150 * scale, "base": 40 * scale, "window": 3 * scale, "set_margin": -scale}
    levels["form_level"] = 90 * scale << adc - 8
    return Design(
        scheme="wu", profile=profile, array=Array(rows=rows, columns=columns, lanes=lanes, pair="one-sided"),
        formats=Formats(adc=adc, fraction=fraction), update=Update(max_pulses=1),
        pulse=Pulse(width_set=3, width_reset=2, guard=1), verify=Verify(**{**levels, "form_width": 5, **verify}),
    )  # fmt: skip


DESIGNS = {
    "8x8": design(8, 8, 4),
    "odd": design(13, 7, 3, profile="asic"),
    "1x1": design(1, 1, 1, cycles=3),
    "one-group": design(2, 4, 4, adc=12, fraction=12, cell_bits=2),
    "fraction-0": design(3, 3, 1, fraction=0, reads_log2=4, cell_bits=1),
    "fraction-2": design(3, 5, 2, fraction=2, reads_log2=1, set_margin=20, cell_bits=0),
    "no-window": design(4, 3, 2, window=0, set_margin=0, reads_log2=2, fraction=1),
    "by-column": design(5, 4, 2, amplitude="column", cycles=3, set_step=5000, reset_step=4000, profile="asic"),
    "by-column-1x1": design(1, 1, 1, amplitude="column", cycles=4, set_step=3000, reset_step=2500),
}


def rows_of(tile, seed, count, density=0.5):
    """Rows with random flags and targets; some without flags, some at the ends of what a target can be."""
    rng = np.random.default_rng(seed)
    columns, scale = tile.array.device_columns, 1 << tile.formats.fraction
    full = ((1 << tile.formats.adc) - 1) * scale
    made = []
    for number in range(count):
        flagged = rng.random(columns) < (0.0 if number % 4 == 3 else rng.choice([density, 1.0, 0.1]))
        targets = rng.integers(20 * scale, full * 3 // 4, columns)
        if number % 5 == 4:
            targets = rng.choice([0, 1, full, 2 * full], columns)
        made.append((int(rng.integers(tile.array.rows)), flagged, np.where(flagged, targets, 0)))
    return made


def check(tile, make, rows, *, chance=1.0, forms=(), fails=(), drops=(), seed=3, **values):
    """Hardware and model on two equal arrays; returns the bench and the model."""
    arrays = [Recorded(make(), fails=fails, drops=drops) for _ in range(2)]
    model = expect(tile, arrays[0], rows, forms=forms, values=values)
    bench = Bench(tile, arrays[1], seed=seed, chance=chance, values=values)
    counters = bench.run(rows, forms=forms)
    assert arrays[1].log == arrays[0].log
    assert counters == model.counts
    if tile.verify.cell_bits:
        columns = tile.array.device_columns
        assert np.array_equal(bench.cells[:, :columns], model.cells)
        assert not bench.cells[:, columns:].any()
    asked = [event for event in arrays[0].log if event[0] == "pulse"]
    for (op, row, direction, width, amplitude, pulses), event in zip(bench.seen, asked, strict=True):
        assert (row, direction) == (event[1], event[3])
        assert amplitude == (side.pack(event[4], 16) if tile.column_amplitudes else event[4])
        assert pulses == event[2].bit_count()
        assert op == (Op.FORM if event[5] else Op.PROGRAM)
        given = bench.values["form_width" if event[5] else "width_set" if direction else "width_reset"]
        assert width == min(max(given, 1), tile.pulse.width_limit)
    return bench, model


@pytest.mark.parametrize("name", DESIGNS)
def test_devices_that_move(name):
    tile = DESIGNS[name]
    rows = rows_of(tile, len(name), 8)
    bench, model = check(tile, lambda: Steps(tile, 2, stuck=0.1), rows, chance=0.5)
    assert model.counts["passed"]
    assert model.counts["sets"]
    if tile.array.columns > 1:
        assert model.counts["resets"]
        assert bool(bench.gave_up_events) == bool(model.counts["gave_up"])


@pytest.mark.parametrize("name", ["8x8", "1x1", "fraction-2"])
def test_without_any_wait(name):
    tile = DESIGNS[name]
    check(tile, lambda: Steps(tile, 4), rows_of(tile, 5, 6))


@pytest.mark.parametrize("name", ["odd", "one-group", "fraction-0", "no-window", "by-column", "by-column-1x1"])
def test_codes_at_random(name):
    """Devices change sides as they like; ramps are short, so that every cycle is used."""
    tile = DESIGNS[name]
    ramp = {"set_step": 12000, "reset_step": 9000, "cycles": 4}
    _, model = check(tile, lambda: Noise(tile, 6), rows_of(tile, 1, 6), **ramp)
    assert min(model.counts[key] for key in ("sets", "resets", "gave_up"))


@pytest.mark.parametrize("name", ["8x8", "odd", "by-column"])
def test_on_the_twin(name):
    """Devices that relax once their row is left, some of them stuck."""
    tile = dataclasses.replace(DESIGNS[name], rram=Rram(write_error=0.3, stuck_low=0.03, stuck_high=0.03))
    scale = 1 << tile.formats.fraction
    rng = np.random.default_rng(5)
    columns = tile.array.device_columns
    rows = [(int(row), rng.random(columns) < 0.6, rng.integers(64, 250, columns) * scale)
            for row in rng.integers(0, tile.array.rows, 4)]  # fmt: skip
    ramps = {"set_step": 3000, "reset_step": 3000}
    _, model = check(tile, lambda: RramTile(tile, seed=9, engine="numpy"), rows, chance=0.7, **ramps)
    assert min(model.counts.values())


@pytest.mark.parametrize("name", ["8x8", "odd", "one-group", "by-column"])
def test_forming(name):
    tile = DESIGNS[name]
    forms = list(range(tile.array.rows))[-3:]
    bench, model = check(
        tile, lambda: Steps(tile, 8, step=90.0, stuck=0.05), rows_of(tile, 2, 2), forms=forms, chance=0.7
    )
    assert {op for op, *_ in bench.seen} == {Op.FORM, Op.PROGRAM}
    assert model.counts["rows"] >= 3


@pytest.mark.parametrize("fails", [(0,), (1,), (5, 6), (2, 9, 17)])
@pytest.mark.parametrize("name", ["8x8", "fraction-2", "by-column"])
def test_reads_that_fail(name, fails):
    """Everything that is flagged is given up, whatever words came; nothing is judged by them, pulses stay counted."""
    tile = DESIGNS[name]
    rows = rows_of(tile, 3, 5)
    _, model = check(tile, lambda: Steps(tile, 3), rows, chance=0.7, fails=fails, seed=len(fails))
    assert model.counts["gave_up"]


def test_pulses_that_do_not_come():
    tile = DESIGNS["odd"]
    rows = rows_of(tile, 3, 3)
    bench, model = check(tile, lambda: Steps(tile, 3), rows, drops=range(0, 60, 3))
    assert len(bench.seen) > 6
    assert len(bench.times) < len(bench.seen)


EXTREMES = [
    {"set_start": 50000, "set_stop": 40000},  # no SET pulse at all
    {"reset_start": 65535, "reset_stop": 65535, "reset_step": 65535},  # one pulse a train, then past 16 bits
    {"set_start": 65000, "set_stop": 65535, "set_step": 600, "cycles": 1},
    {"set_margin": -(1 << 13)},  # less than -window acts as -window
    {"set_margin": 20 * 32},  # SET trains end beyond the window
    {"width_set": 0, "width_reset": 2**28 - 1, "guard": 3},
    {"window": (1 << 13) - 1, "reads_log2": 3},  # everything passes
    {"form_start": 7, "form_stop": 6},
]


@pytest.mark.parametrize("values", EXTREMES, ids=lambda values: "-".join(values))
def test_registers_at_their_ends(values):
    tile = design(3, 5, 2, set_step=4000, reset_step=4000)
    limited = dataclasses.replace(tile, pulse=dataclasses.replace(tile.pulse, width_limit=12))
    forms = (1,) if "form_start" in values else ()
    _, model = check(limited, lambda: Steps(tile, 5, stuck=0.05), rows_of(tile, 7, 4), forms=forms, **values)
    if "set_start" in values and values["set_start"] == 50000:
        assert not model.counts["sets"]


@pytest.mark.parametrize("values", EXTREMES[:3], ids=lambda values: "-".join(values))
def test_ramps_of_single_devices_at_their_ends(values):
    """The same ramps, with an amplitude for each device; also steps beyond what a ramp has."""
    tile = design(3, 5, 2, amplitude="column", cycles=3, set_step=4000, reset_step=4000)
    _, model = check(tile, lambda: Noise(tile, 5), rows_of(tile, 7, 4), **{**values, "cycles": 3})
    assert bool(model.counts["sets"]) == ("reset_start" in values or values["set_stop"] == 65535)
    assert model.counts["resets"]
    check(tile, lambda: Noise(tile, 5), rows_of(tile, 7, 4), set_stop=30000, set_step=40000, reset_start=0)


def test_both_sides_of_every_bound():
    """S 2^F against (t +- WINDOW) 2^k, one to each side: passed, below, above."""
    tile = design(1, 3, 3, fraction=3, reads_log2=2, window=40, set_margin=-40, cycles=1, set_stop=24576,
                  reset_stop=24576)  # fmt: skip
    for code, target in [(50, 50 * 8 + offset) for offset in (-41, -40, -39, 39, 40, 41)]:
        array = type("Same", (Noise,), {"sense_row": lambda self, row, groups, code=code: np.full(6, code, np.int32)})
        bench, model = check(tile, lambda array=array: array(tile, 1), [(0, np.ones(6, bool), np.full(6, target))])
        assert model.counts["passed"] == (6 if abs(target - 400) <= 40 else 0)
        assert {direction for _, _, direction, *_ in bench.seen} == (
            set() if model.counts["passed"] else {int(target > 400)}
        )


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 8, 13])
def test_an_abort_gives_up_what_is_left_and_what_waits(after):
    tile = DESIGNS["8x8"]
    rows = [(row, np.ones(16, bool), np.full(16, 9000)) for row in range(3)]
    array = Recorded(Steps(tile, 3))
    bench = Bench(tile, array, seed=2, chance=0.8)
    bench.cancel_at = after
    counters = bench.run(rows)
    assert counters["passed"] + counters["gave_up"] in (16, 32, 48)  # rows that came while it lasted do not get in
    assert counters["gave_up"] >= 16 - counters["passed"]
    assert len(array.log) <= after + 1
    assert bench.cells.sum() == counters["sets"] + counters["resets"]
    assert bench.gave_up_events >= 1


def test_pace():
    """No pulse sooner than width and guard after the one before; no command before that either."""
    tile = DESIGNS["8x8"]
    wide = {"width_set": 60, "width_reset": 60, "guard": 7}
    bench, _ = check(tile, lambda: Steps(tile, 3), rows_of(tile, 4, 2, density=1.0), **wide)
    gaps = [b - a for a, b in zip(bench.times, bench.times[1:], strict=False)]
    assert min(gaps) >= 67
    assert all(command >= slot + 67 for slot, command in zip(bench.times, bench.commands_at[1:], strict=False))


def run(dut, testbench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("name", ["8x8", "1x1", "one-group", "odd"])
def test_rows_without_flags_need_no_room(name):
    tile = DESIGNS[name]
    dut = WriteVerify(tile)
    full = row_buffers(tile)
    late = -(-WeightCopy.latency // tile.array.groups)

    async def testbench(ctx):
        async def row(number, flags):
            for group in range(tile.array.groups):
                ctx.set(dut.t_valid, 1)
                ctx.set(dut.t_row, number)
                ctx.set(dut.t_flags, flags)
                ctx.set(dut.t_last, group == tile.array.groups - 1)
                await ctx.tick()
            ctx.set(dut.t_valid, 0)

        for _ in range(3 * full):
            await row(0, 0)
            assert (ctx.get(dut.pulse_free), ctx.get(dut.empty)) == (full, 1)
        for number in range(full + late):  # those between accumulator and here have their place beside pulse_free
            assert ctx.get(dut.pulse_free) == max(full - number, 0)
            await row(0, 1)
        assert (ctx.get(dut.pulse_free), ctx.get(dut.empty)) == (0, 0)
        ctx.set(dut.cancel, 1)
        await ctx.tick().repeat((full + late) * (tile.array.groups + 12))
        assert (ctx.get(dut.pulse_free), ctx.get(dut.empty)) == (0, 1)
        assert ctx.get(dut.gave_up) == (full + late) * tile.array.groups
        ctx.set(dut.cancel, 0)
        await ctx.tick()
        assert ctx.get(dut.pulse_free) == full

    run(dut, testbench)


@pytest.mark.parametrize("name", ["odd", "one-group", "1x1"])
def test_the_host_reads_and_writes_counts(name):
    tile = DESIGNS[name]
    dut = WriteVerify(tile)
    array = tile.array
    places = [(row, group) for row in range(array.rows) for group in range(array.groups)]

    async def testbench(ctx):
        async def visit(write, row, group, data=0):
            ctx.set(dut.w_valid, 1)
            for field, value in (("write", write), ("row", row), ("group", group), ("data", data)):
                ctx.set(getattr(dut, f"w_{field}"), value)
            while not (await ctx.tick().sample(dut.w_ready))[2]:
                pass
            ctx.set(dut.w_valid, 0)
            assert ctx.get(dut.r_valid) == 1 - write
            return ctx.get(dut.r_data)

        assert ctx.get(dut.busy)
        for place in places:  # each waits for the sweep
            assert await visit(0, *place) == 0
        words = [(37 * number + 11) % (1 << len(dut.w_data)) for number in range(len(places))]
        for place, word in zip(places, words, strict=True):
            await visit(1, *place, word)
        assert [await visit(0, *place) for place in places] == words

    run(dut, testbench)


def test_counters_clear():
    tile = DESIGNS["1x1"]
    dut = WriteVerify(tile)

    async def testbench(ctx):
        for name in ("t_valid", "t_flags", "t_last", "cancel"):
            ctx.set(getattr(dut, name), 1)
        await ctx.tick()
        ctx.set(dut.t_valid, 0)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.gave_up) == 1
        ctx.set(dut.count_clear, 1)
        await ctx.tick()
        assert ctx.get(dut.gave_up) == 0

    run(dut, testbench)


@pytest.mark.parametrize("name", ["8x8", "odd", "1x1", "fraction-2", "fraction-0", "by-column"])
def test_emitted_text_does_the_same(bench, name, tmp_path):
    """amaranth.sim and Icarus agree on every output in every cycle, X included; Verilator finds nothing to say."""
    tile = DESIGNS[name]
    dut = WriteVerify(tile)
    groups, start = tile.array.groups, tile.array.rows * tile.array.groups + 4

    def when(rng, step):
        return step >= start and (step - start) % 90 < groups

    ramp = {"set_start": 0, "reset_start": 0, "set_step": 30000, "reset_step": 30000, "set_stop": 65535}
    constant = {**ramp, "reset_stop": 65535, "cycles": 1, "reads_log2": 1, "width_set": 1, "width_reset": 2, "guard": 0}
    constant |= {"qa_valid": 1, "p_ready": 1, "over": 0, "count_clear": 0}
    visits = {"w_valid": lambda rng, step: step == start or rng.random() < 0.2,
              "w_write": lambda rng, step: step != start and rng.random() < 0.5}  # fmt: skip
    stimulus = bench.stimulus(
        dut, steps=420, seed=2, t_valid=when,
        t_last=lambda rng, step: (step - start) % 90 == groups - 1,
        **{key: lambda rng, step, value=value: value for key, value in constant.items()},
        q_ready=lambda rng, step: step % 12 == 1, qr_valid=lambda rng, step: step % 12 == 0,  # all words have come
        qr_status=lambda rng, step: 3 * (rng.random() < 0.9), cancel=lambda rng, step: step > 380,
        f_valid=lambda rng, step: step > 300, **(visits if tile.verify.cell_bits else {}),
    )  # fmt: skip
    texts = emit(dut, name="write_verify", profile=tile.profile)
    seen = bench.record(dut, stimulus, profile=tile.profile)
    replayed = bench.replay(texts, "write_verify", dut, stimulus, profile=tile.profile)
    known = [index for index, text in enumerate(replayed) if "x" not in text]
    assert len(known) > 200
    assert [replayed[index] for index in known] == [seen[index] for index in known]
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "write_verify") == []


@pytest.mark.parametrize("name", ["8x8", "1x1", "odd"])
def test_cycles(name):
    """The table of docs/write_verify.md, when everything around takes what it can at once."""
    tile = DESIGNS[name]
    dut = WriteVerify(tile)
    groups = tile.array.groups
    at = []

    async def testbench(ctx):
        async def until(signal):
            cycles = 0
            while not ctx.get(signal):
                await ctx.tick()
                cycles += 1
                assert cycles < 100
            return cycles

        async def take(signal):
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)

        await ctx.tick().repeat(tile.array.rows * groups + 2)
        for signal, value in ((dut.set_step, 1), (dut.set_stop, 9), (dut.reset_stop, 9), (dut.cycles, 1)):
            ctx.set(signal, value)
        ctx.set(dut.t_targets, 0x3FFF)
        for group in range(groups):
            ctx.set(dut.t_flags, group == 0)
            ctx.set(dut.t_last, group == groups - 1)
            await take(dut.t_valid)
        at.append(1 + await until(dut.q_valid))
        await take(dut.q_ready)
        at.append(1 + await until(dut.qa_ready))
        await take(dut.qa_valid)
        await take(dut.qr_valid)
        at.append(1 + await until(dut.p_valid))
        await take(dut.p_ready)
        at.append(1 + await until(dut.slot_valid))
        await take(dut.slot_ready)
        at.append(1 + await until(dut.q_valid))

    run(dut, testbench)
    assert at == [groups + 5, 1, groups + 7, 1, 1]
