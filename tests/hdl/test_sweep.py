"""The sweep against its model: tokens, order of trains and reads, signs at every fire, state in the host's hands."""

import dataclasses
import random

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.sweep import STATES, Sweep
from crosstrain_model.design import Array, Design, Random, Transfer
from crosstrain_model.sweep import LIMIT, SweepSettings
from crosstrain_model.sweep import Sweep as Model


def design(scheme="agad", rows=5, columns=7, lanes=3, seed=1, **transfer):
    transfer = {"every": 2, "period": 3, "warmup": 2} | transfer
    return Design(
        name="a", scheme=scheme, array=Array(rows=rows, columns=columns, lanes=lanes),
        transfer=Transfer(**transfer), random=Random(seed=seed),
    )  # fmt: skip


DESIGNS = {
    "period": design(),
    "one row": design(rows=1, columns=1, lanes=1, every=1, period=2),
    "random": design("c-ttv2", rows=40, flip_probability=20000),
    "none": design("ttv2"),
    "nothing": design("sgd"),
    "columns by period": design("c-ttv2", rows=3, columns=40, lanes=4, chopper="period", column_chopper="period"),
    "random columns": design("ttv2", rows=2, column_chopper="random", flip_probability=30000, every=1),
    "all random": design("c-ttv2", rows=2, columns=33, lanes=4, column_chopper="random", flip_probability=32768),
    "both kinds": design("c-ttv2", rows=1, chopper="period", column_chopper="random", flip_probability=60000, every=1),
    "premium": dataclasses.replace(
        design("c-ttv2", rows=2, column_chopper="random", flip_probability=9000),
        random=Random(generator="xoshiro128++", permute=False),
    ),
}


def bits(value):
    """A row of bools as the integer on the pins."""
    return sum(1 << int(place) for place, bit in enumerate(value) if bit)


class Bench:
    """A Sweep between a pulse train unit, a dispatcher and a transfer unit that take their time."""

    def __init__(self, design, seed, *, ready=0.6, full=0.7, silent=0.2):
        self.design, self.dut, self.model = design, Sweep(design), Model(design)
        self.rng = random.Random(seed)
        self.ready, self.full, self.silent = ready, full, silent
        self.events = []
        """What was seen, in order: fire, train, read, token."""
        self.cycle = 0

    async def around(self, ctx):
        """Everything beside the sweep, one cycle after the other."""
        dut, rng, train = self.dut, self.rng, False
        names = ["full", "silent", "fire", "t_taken", "chop_rows", "chop_columns", "busy", "vectors"]
        if self.design.transfers:
            names += ["read_valid", "read_ready", "read_row"]
            names += [name for name in dut.signature.members if name.startswith("k_")]
        while True:
            ctx.set(dut.full, not train and rng.random() < self.full)
            ctx.set(dut.silent, rng.random() < self.silent)
            ctx.set(dut.t_taken, train and rng.random() < self.ready)
            if self.design.transfers:
                ctx.set(dut.read_ready, rng.random() < self.ready)
                ctx.set(dut.k_ready, rng.random() < self.ready)
            seen = await ctx.tick().sample(*(getattr(dut, name) for name in names))
            now = dict(zip(names, seen[-len(names) :], strict=True))
            self.cycle += 1
            if now["fire"]:
                assert now["full"]
                assert not train
                assert not now["busy"]
                train = not now["silent"]
                self.events.append(("fire", now["chop_rows"], now["chop_columns"]))
            elif now["t_taken"]:
                train = False
                self.events.append(("train",))
            if now.get("read_valid") and now["read_ready"]:
                self.events.append(("read", now["read_row"]))
            if now.get("k_valid") and now["k_ready"]:
                token = [now[f"k_{name}"] for name in ("row", "sign", "flip", "warm")]
                self.events.append(("token", *token, now.get("k_columns")))

    def check(self):
        """Go through the events so far, the model in step; returns how many vectors there were."""
        events, vectors = list(self.events), 0
        self.events.clear()
        while events:
            kind, rows, columns = events.pop(0)
            assert kind == "fire"
            assert (rows, columns) == (bits(self.model.chopper.rows), bits(self.model.chopper.columns))
            if events and events[0] == ("train",):
                events.pop(0)
            vectors += 1
            token = self.model.vector()
            if token is None:
                continue
            pair, events = {event[0]: event[1:] for event in events[:2]}, events[2:]
            assert pair["read"] == (token.row,)
            columns = None if token.columns is None else bits(token.columns)
            assert pair["token"] == (token.row, token.sign, token.flip, token.warm, columns)
        return vectors

    async def quiet(self, ctx):
        """No more vectors, until nothing is under way; then the state must be the model's."""
        full, self.full = self.full, 0
        for _ in range(3):
            await ctx.tick()
        while ctx.get(self.dut.busy):
            await ctx.tick()
        await ctx.tick()
        done = self.check()
        dut, model = self.dut, self.model
        assert ctx.get(dut.vectors) == model.vectors
        if self.design.transfers:
            assert ctx.get(dut.transfers) == model.transfers
            assert [ctx.get(getattr(dut, name)) for name in STATES] == [getattr(model, name) for name in STATES]
        for index, word in enumerate(model.chopper.words()):
            ctx.set(dut.chop_index, index)
            await ctx.tick()
            assert ctx.get(dut.chop_word) == word
        if model.chopper.stream is not None:
            state = sum(int(word) << 32 * place for place, word in enumerate(model.chopper.stream.state))
            assert ctx.get(dut.choppers_state) == state
        self.full = full
        return done

    def configure(self, ctx, **settings):
        """The registers, in hardware and model."""
        self.model.settings = dataclasses.replace(self.model.settings, **settings)
        for field in dataclasses.fields(SweepSettings):
            if field.name in self.dut.signature.members:
                ctx.set(getattr(self.dut, field.name), getattr(self.model.settings, field.name))

    async def strobe(self, ctx, **pins):
        for value in (pins, dict.fromkeys(pins, 0)):
            for name, level in value.items():
                ctx.set(getattr(self.dut, name), level)
            await ctx.tick()

    async def write(self, ctx, **state):
        """State, as the host writes it."""
        for name, value in state.items():
            ctx.set(self.dut.write_data, value)
            await self.strobe(ctx, **{f"{name}_write": 1})
            setattr(self.model, name, value)

    async def vectors(self, ctx, count):
        """Let some vectors pass."""
        done = 0
        while done < count:
            for _ in range(4 * (count - done)):
                await ctx.tick()
            done += await self.quiet(ctx)

    def run(self, body):
        async def bench(ctx):
            self.configure(ctx)
            await body(ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(bench)
        simulator.add_testbench(self.around, background=True)
        simulator.run()


@pytest.mark.parametrize("ready", [1.0, 0.5])
@pytest.mark.parametrize("name", DESIGNS)
def test_tokens_order_and_signs(name, ready):
    bench = Bench(DESIGNS[name], seed=3, ready=ready, full=1.0 if ready == 1.0 else 0.7)

    async def body(ctx):
        rows, every = bench.design.array.rows, bench.design.transfer.every
        await bench.vectors(ctx, min(40 * rows * every, 600))

    bench.run(body)


def test_settings_change_between_vectors():
    """`every` below since, a period that the sweep has passed, probabilities 0 and always, a warm-up of none."""
    bench = Bench(design("c-ttv2", rows=3, chopper="period", column_chopper="random", every=50), seed=4)

    async def body(ctx):
        for settings in (
            {"every": 50, "period": 40}, {"every": 3}, {"every": 1, "period": 5}, {"period": 2, "probability": 0},
            {"every": 0, "period": 0}, {"probability": 2**16, "warmup": 0}, {"warmup": LIMIT, "period": 1},
        ):  # fmt: skip
            bench.configure(ctx, **settings)
            await bench.vectors(ctx, 40)

    bench.run(body)


def test_counts_stop_at_their_limit():
    bench = Bench(design(rows=2, every=1, period=LIMIT, warmup=LIMIT), seed=5)

    async def body(ctx):
        bench.full = 0
        await bench.write(ctx, sweeps=LIMIT - 2, reads_in_period=LIMIT - 1, row=1, since=LIMIT)
        bench.full = 0.8
        await bench.vectors(ctx, 12)
        assert bench.model.sweeps == LIMIT
        bench.full = 0
        await bench.write(ctx, reads_in_period=LIMIT)
        bench.full = 0.8
        await bench.vectors(ctx, 12)

    bench.run(body)


@pytest.mark.parametrize("name", ["period", "all random", "both kinds", "premium"])
def test_the_host_loads_and_clears_state(name):
    bench = Bench(DESIGNS[name], seed=6)
    model, dut = bench.model, bench.dut

    async def body(ctx):
        await bench.vectors(ctx, 50)
        bench.full = 0
        await bench.quiet(ctx)
        for index in range(len(model.chopper.words())):
            word = bench.rng.getrandbits(32)
            ctx.set(dut.chop_index, index)
            ctx.set(dut.chop_data, word)
            await bench.strobe(ctx, chop_write=1)
            model.chopper.put_word(index, word)
        if model.chopper.stream is not None:
            words = [bench.rng.getrandbits(32) for _ in model.chopper.stream.state]
            for index, word in enumerate(words):
                ctx.set(dut.choppers_load_index, index)
                ctx.set(dut.choppers_load_data, word)
                await bench.strobe(ctx, choppers_load=1)
            model.chopper.stream.state = words
        await bench.write(ctx, since=1, row=bench.design.array.rows - 1, sweeps=7)
        await bench.quiet(ctx)
        bench.full = 0.9
        await bench.vectors(ctx, 50)
        bench.full = 0
        await bench.quiet(ctx)
        await bench.strobe(ctx, clear=1)
        model.clear()
        await bench.quiet(ctx)
        await bench.strobe(ctx, count_clear=1)
        model.vectors = model.transfers = 0
        bench.full = 0.9
        await bench.vectors(ctx, 50)

    bench.run(body)


def test_nothing_fires_under_hold_and_what_was_begun_goes_on():
    bench = Bench(DESIGNS["period"], seed=7, full=1.0)

    async def body(ctx):
        for _ in range(30):
            for _ in range(bench.rng.randrange(12)):
                await ctx.tick()
            ctx.set(bench.dut.hold, 1)
            for _ in range(2):
                await ctx.tick()
            fired = sum(event[0] == "fire" for event in bench.events)
            for _ in range(20):
                await ctx.tick()
            assert sum(event[0] == "fire" for event in bench.events) == fired
            assert not ctx.get(bench.dut.busy)
            bench.check()
            ctx.set(bench.dut.hold, 0)

    bench.run(body)


@pytest.mark.parametrize("late", [True, False])
def test_an_abort_stands_for_the_command_that_is_dropped(late):
    """`cancel` some cycles behind fire, or with fire and never again: the read comes all the same."""
    dut = Sweep(design(every=1))

    async def body(ctx):
        ctx.set(dut.every, 1)
        ctx.set(dut.full, 1)
        ctx.set(dut.cancel, not late)
        await ctx.tick()
        ctx.set(dut.full, 0)
        for _ in range(5 if late else 0):
            await ctx.tick()
            assert (ctx.get(dut.busy), ctx.get(dut.read_valid)) == (1, 0)
        if late:
            ctx.set(dut.cancel, 1)
            await ctx.tick()
        ctx.set(dut.cancel, 0)
        assert (ctx.get(dut.read_valid), ctx.get(dut.k_valid), ctx.get(dut.read_row)) == (1, 1, 0)
        ctx.set(dut.read_ready, 1)
        ctx.set(dut.k_ready, 1)
        await ctx.tick()
        assert (ctx.get(dut.busy), ctx.get(dut.row), ctx.get(dut.transfers)) == (0, 1, 1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(body)
    simulator.run()


@pytest.mark.parametrize(("scheme", "every", "cycles"), [("agad", 1, 3), ("agad", 4, 2.25), ("sgd", 1, 2)])
def test_no_bubbles(scheme, every, cycles):
    """Fire; the command in the next cycle; the read in the one behind it; then the next fire."""
    dut = Sweep(design(scheme, every=every))
    fired = []

    async def body(ctx):
        if scheme != "sgd":
            ctx.set(dut.every, every)
            ctx.set(dut.read_ready, 1)
            ctx.set(dut.k_ready, 1)
        ctx.set(dut.full, 1)
        for cycle in range(161):
            ctx.set(dut.t_taken, bool(fired) and fired[-1] == cycle - 1)
            if ctx.get(dut.fire):
                fired.append(cycle)
            await ctx.tick()
        assert fired[::every] == [int(number * cycles * every) for number in range(len(fired[::every]))]

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(body)
    simulator.run()


def test_silent_vectors_take_a_cycle_each():
    dut = Sweep(design(every=5))

    async def body(ctx):
        for name, value in {"every": 5, "full": 1, "silent": 1, "read_ready": 1, "k_ready": 1}.items():
            ctx.set(getattr(dut, name), value)
        for _ in range(60):
            await ctx.tick()
        assert (ctx.get(dut.vectors), ctx.get(dut.transfers)) == (50, 10)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(body)
    simulator.run()


def test_hardware_that_a_design_does_not_name_is_not_there():
    nothing = {"full", "silent", "fire", "t_taken", "cancel", "hold", "chop_rows", "chop_columns", "count_clear"}
    assert set(Sweep(DESIGNS["nothing"]).signature.members) == nothing | {"vectors", "transfers", "busy"}
    members = {name: set(Sweep(DESIGNS[name]).signature.members) for name in DESIGNS}
    assert not members["none"] & {"period", "probability", "k_columns", "chop_index", "choppers_state"}
    assert members["period"] >= {"period", "chop_index"}
    assert not members["period"] & {"probability", "k_columns", "choppers_state"}
    assert members["random"] >= {"probability", "choppers_state"}
    assert not members["random"] & {"period", "k_columns"}
    assert members["both kinds"] >= {"period", "probability", "k_columns"}
