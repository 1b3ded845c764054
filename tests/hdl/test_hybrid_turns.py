"""Turns of carries and refreshes against the model's rule, in amaranth.sim: order, slots, fairness, aborts."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from amaranth import Module
from amaranth.sim import Simulator

from crosstrain_hdl.emit import emit
from crosstrain_hdl.hybrid_turns import HybridTurns
from crosstrain_hdl.pulse import Pulse
from crosstrain_hdl.row_queue import RowQueue
from crosstrain_hdl.threshold import COUNT_BITS
from crosstrain_hdl.tools import lint
from crosstrain_model.pulse import row_commands
from crosstrain_model.refresh import SINCE_LIMIT, RefreshQueue

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
DESIGNS = side.DESIGNS
SETTINGS = ("width_set", "width_reset", "guard", "amplitude_set", "amplitude_reset")


class Bench:
    """Queue, turns and Pulse; a refresh and an array that take their time.

    done : ("carry", row, masks of its slots), ("refresh", row) as it begins, "batch", and "over", of the rows that were
        due the last is done, in their order
    """

    def __init__(self, design, *, every=2, seed=1, slow=0.3):
        self.design, self.every, self.slow = design, every, slow
        lanes = design.array.lanes
        self.rng = np.random.default_rng(seed)
        self.queue = RowQueue(design, rows=4, width=lanes * COUNT_BITS, amount_bits=1)
        self.turns, self.pulse = HybridTurns(design), Pulse(design)
        self.module = m = Module()
        m.submodules.queue, m.submodules.turns, m.submodules.pulse = self.queue, self.turns, self.pulse
        queue, turns, pulse = self.queue, self.turns, self.pulse
        m.d.comb += [getattr(turns, name).eq(getattr(queue, name)) for name in ("row_valid", "row", "groups", "word")]
        m.d.comb += [getattr(queue, name).eq(getattr(turns, name)) for name in ("fetch", "group", "pop")]
        m.d.comb += [getattr(pulse, f"c_{name}").eq(getattr(turns, f"c_{name}"))
                     for name in ("valid", "row", "counts", "last")]  # fmt: skip
        m.d.comb += [
            turns.pulse_empty.eq(pulse.empty),
            turns.pulse_taken.eq(pulse.t_valid & pulse.t_ready),
            turns.pulses.eq(pulse.t_pulses),
            pulse.cancel.eq(turns.cancel),
        ]
        self.done, self.pushed, self.batches_at, self.dropped = [], [], [], 0
        self.cancel_at, self.over = {}, False

    def run(self, rows, batches):
        """rows: (row, counts) to push; batches: how many."""
        simulator = Simulator(self.module)
        simulator.add_clock(1e-8)

        async def push(ctx):
            await self._push(ctx, rows)

        async def end_batches(ctx):
            for _ in range(batches):
                while self.rng.random() < 0.9:
                    await ctx.tick()
                ctx.set(self.turns.b_valid, 1)
                while not (await ctx.tick().sample(self.turns.b_ready))[2]:
                    pass
                ctx.set(self.turns.b_valid, 0)
                self.done.append("batch")
            self.batches_over = True

        self.rows_over = self.batches_over = False
        simulator.add_testbench(self._array)
        for process in (push, end_batches, self._refresh, self._watch):
            simulator.add_testbench(process, background=True)
        simulator.run()
        return self

    async def _push(self, ctx, rows):
        queue, array = self.queue, self.design.array
        for row, counts in rows:
            words = side.grouped(self.design, counts)
            for group in np.flatnonzero(words.any(axis=1)).tolist():
                while not ctx.get(queue.w_ready) or self.rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(queue.w_valid, 1)
                ctx.set(queue.w_row, row)
                ctx.set(queue.w_group, group)
                ctx.set(queue.w_word, side.pack(words[group], COUNT_BITS))
                ctx.set(queue.w_end, group == array.groups - 1)
                await ctx.tick()
                ctx.set(queue.w_valid, 0)
                ctx.set(queue.w_end, 0)
            if not words[-1].any():
                ctx.set(queue.w_end, 1)
                await ctx.tick()
                ctx.set(queue.w_end, 0)
        self.rows_over = True

    async def _refresh(self, ctx):
        """A refresh of any length; rows that it is given come in the cycle of `go`."""
        ctx.set(self.turns.rest, 1)
        while True:
            _, _, go, row = await ctx.tick().sample(self.turns.go, self.turns.refresh_row)
            if go:
                self.done.append(("refresh", row))
                ctx.set(self.turns.rest, 0)
                while self.rng.random() > self.slow:
                    await ctx.tick()
                ctx.set(self.turns.rest, 1)

    async def _array(self, ctx):
        """Takes commands and their slots; ends when all is done."""
        pulse, turns = self.pulse, self.turns
        for name in SETTINGS:
            ctx.set(getattr(pulse, name), getattr(self.design.pulse, name))
        ctx.set(turns.refresh_every, self.every)
        quiet = 0
        while quiet < 12:
            for cycles in [self.cancel_at.pop(len(self.done), 0)]:
                if cycles:
                    ctx.set(turns.cancel, 1)
                    for _ in range(cycles):
                        await self._step(ctx)
                    while ctx.get(self.queue.row_valid) or not ctx.get(pulse.empty) or not ctx.get(turns.rest):
                        await self._step(ctx)
                    self.done.append("abort")
                    ctx.set(turns.cancel, 0)
            await self._step(ctx)
            quiet = quiet + 1 if self.rows_over and self.batches_over and ctx.get(turns.idle) else 0
        self.counts = ctx.get(turns.carry_rows), ctx.get(turns.carry_pulses)
        self.state = ctx.get(turns.since), ctx.get(turns.place)

    async def _step(self, ctx):
        pulse = self.pulse
        if not ctx.get(pulse.t_valid) or self.rng.random() < 0.5:
            await ctx.tick()
            return
        row, count, cancelled = ctx.get(pulse.t_row), ctx.get(pulse.t_pulses), ctx.get(self.turns.cancel)
        ctx.set(pulse.t_ready, 1)
        await ctx.tick()
        ctx.set(pulse.t_ready, 0)
        if cancelled:
            self.dropped += count
            return
        slots, last = [], 0
        while not last:
            ctx.set(pulse.slot_ready, self.rng.random() < 0.7)
            pins = (pulse.slot_valid, pulse.slot_ready, pulse.slot_columns, pulse.slot_last)
            _, _, valid, ready, columns, last = await ctx.tick().sample(*pins)
            if valid and ready:
                slots.append(columns)
            last = last and valid and ready
        ctx.set(pulse.slot_ready, 0)
        self.done.append(("carry", row, slots))

    async def _watch(self, ctx):
        """The rule of turns, at the cycle in which one is decided."""
        turns = self.turns
        pins = (turns.row_valid, turns.due, turns.refreshed_last, turns.go, turns.fetch, turns.cancel)
        before = None
        async for _, _, over, waits, due, last, go, fetch, cancel in ctx.tick().sample(turns.refresh_done, *pins):
            if over:
                self.done.append("over")
            carry = waits and (last or not due or cancel)
            if go:
                assert due
                assert not carry
            if fetch and before and not before[1]:
                assert before[0]
            before = carry, fetch


def drawn_rows(design, rng, count):
    most, rows = design.update.max_pulses, []
    for _ in range(count):
        counts = rng.integers(-most, most + 1, design.array.columns) * (rng.random(design.array.columns) < 0.5)
        counts[rng.integers(design.array.columns)] = rng.choice([-most, most])
        rows.append((int(rng.integers(design.array.rows)), counts))
    return rows


def check(bench, rows, batches):
    """Everything is done once, carries in their order, refreshes as the model has them."""
    bench.run(rows, batches)
    carries = [entry[1:] for entry in bench.done if entry[0] == "carry"]
    due = [(row, command.slot_masks) for row, counts in rows for command in row_commands(bench.design, row, counts)]
    assert carries == due
    queue, refreshed, under_way = RefreshQueue(bench.design.array.rows), [], False
    for entry in bench.done:
        assert (entry == "over") == under_way  # at once behind the last row, before any batch
        under_way = False
        if entry == "batch":
            queue.batch(bench.every)
        elif entry[0] == "refresh":
            refreshed.append((entry[1], queue.next_row()))
            under_way = not queue.due.any()
    assert not under_way
    assert [row for row, _ in refreshed] == [row for _, row in refreshed]
    assert queue.next_row() is None
    assert bench.state == (queue.since, queue.place)
    assert bench.counts == (len(rows), sum(int(np.abs(counts).sum()) for _, counts in rows))


@pytest.mark.parametrize("every", [0, 1, 3])
@pytest.mark.parametrize("name", DESIGNS)
def test_carries_and_refreshes_take_turns(name, every):
    design, rng = DESIGNS[name], np.random.default_rng(len(name) + every)
    bench = Bench(design, every=every, seed=every)
    check(bench, drawn_rows(design, rng, 40), 12)
    kinds = [entry[0] for entry in bench.done if entry not in ("batch", "over")]
    assert ("refresh" in kinds) == bool(every)


def test_no_two_refreshes_while_a_carry_waits():
    """Both always wait: strictly in turn."""
    design, rng = DESIGNS["8x8"], np.random.default_rng(3)
    bench = Bench(design, every=1, slow=0.05)
    check(bench, drawn_rows(design, rng, 60), 6)
    kinds = "".join(entry[0][0] for entry in bench.done if entry not in ("batch", "over"))
    assert "crcrcrcr" in kinds
    assert "rr" not in kinds[: kinds.rindex("c")]


@pytest.mark.parametrize("at", [0, 1, 3, 8, 15])
def test_an_abort_drops_the_carries_that_wait_and_what_is_due(at):
    design, rng = DESIGNS["8x8"], np.random.default_rng(4)
    rows = drawn_rows(design, rng, 30)
    bench = Bench(design, every=1, seed=at)
    bench.cancel_at = {at: 20}
    bench.run(rows, 4)
    given = sum(mask.bit_count() for entry in bench.done if entry[0] == "carry" for mask in entry[2])
    assert given + bench.dropped == sum(int(np.abs(counts).sum()) for _, counts in rows) == bench.counts[1]
    assert bench.dropped
    behind = [*bench.done[bench.done.index("abort") + 1 :], "batch"]
    assert not any(entry[0] == "refresh" for entry in behind[: behind.index("batch")])


def test_the_host_sets_the_state():
    design = DESIGNS["8x8"]
    bench = Bench(design, every=3)
    simulator = Simulator(bench.module)
    simulator.add_clock(1e-8)

    async def script(ctx):
        turns = bench.turns
        ctx.set(turns.rest, 1)
        ctx.set(turns.refresh_every, 3)
        for name, value in {"since": 2, "place": 5, "refreshed_last": 1}.items():
            ctx.set(getattr(turns, f"put_{name}"), value)
        assert ctx.get(turns.b_ready)
        ctx.set(turns.put, 1)
        assert not ctx.get(turns.b_ready)  # a batch that ends now waits, and is not lost
        await ctx.tick()
        ctx.set(turns.put, 0)
        assert [ctx.get(getattr(turns, name)) for name in ("since", "place", "refreshed_last")] == [2, 5, 1]
        ctx.set(turns.b_valid, 1)
        await ctx.tick()
        ctx.set(turns.b_valid, 0)
        assert (ctx.get(turns.since), ctx.get(turns.due), ctx.get(turns.refresh_row), ctx.get(turns.go)) == (0, 8, 5, 1)
        ctx.set(turns.cancel, 1)
        assert ctx.get(turns.go) == 0  # an abort begins no refresh
        ctx.set(turns.cancel, 0)
        ctx.set(turns.put, 1)  # which clears nothing that is due
        await ctx.tick()
        ctx.set(turns.put, 0)
        assert ctx.get(turns.since) == 2
        ctx.set(turns.clear, 1)
        await ctx.tick()
        assert (ctx.get(turns.since), ctx.get(turns.due)) == (0, 0)

    simulator.add_testbench(script)
    simulator.run()


def test_batches_are_counted_to_their_limit_where_there_is_no_refresh():
    bench = Bench(DESIGNS["8x8"])
    simulator = Simulator(bench.module)
    simulator.add_clock(1e-8)

    async def script(ctx):
        turns = bench.turns
        ctx.set(turns.rest, 1)
        ctx.set(turns.put_since, SINCE_LIMIT - 1)
        ctx.set(turns.put, 1)
        await ctx.tick()
        ctx.set(turns.put, 0)
        ctx.set(turns.b_valid, 1)
        for _ in range(3):
            await ctx.tick()
            assert (ctx.get(turns.since), ctx.get(turns.due)) == (SINCE_LIMIT, 0)

    simulator.add_testbench(script)
    simulator.run()


def break_turns(monkeypatch):
    """Carries always come first."""
    state = HybridTurns._state

    def broken(self, m, carries):
        state(self, m, carries)
        m.d.sync += self.refreshed_last.eq(1)

    monkeypatch.setattr(HybridTurns, "_state", broken)


def break_zeros(monkeypatch):
    """A group without a word gets the one of the group before it."""
    feed = HybridTurns._feed

    def broken(self, m):
        feed(self, m)
        m.d.comb += self.c_counts.eq(self.word)

    monkeypatch.setattr(HybridTurns, "_feed", broken)


@pytest.mark.parametrize("fault", [break_turns, break_zeros])
def test_the_bench_sees_hardware_that_is_wrong(fault, monkeypatch):
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        test_no_two_refreshes_while_a_carry_waits()


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("part", [HybridTurns, RowQueue])
def test_emitted_text_is_clean(part, name, tmp_path):
    design = DESIGNS[name]
    sizes = {} if part is HybridTurns else {"rows": 3, "width": 5, "amount_bits": 4}
    texts = emit(part(design, **sizes), name="part", profile=design.profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "part") == []
