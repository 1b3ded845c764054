"""Command switch: one command at a time, slots of its station alone, nothing before the last pulse is over."""

import importlib.util
import random
from pathlib import Path

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.command_switch import FIELDS, CommandSwitch, sources
from crosstrain_hdl.emit import emit
from crosstrain_hdl.tools import lint

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
DESIGNS = {"binary": side.tile(8, 8, 4), "sram": side.tile(5, 7, 3, cells="sram"), "1x1": side.tile(1, 1, 1, bits=4)}


def run(design, body):
    dut = CommandSwitch(design)
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def bench(ctx):
        await body(ctx, dut, random.Random(1))

    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("name", DESIGNS)
def test_commands_and_slots_of_any_stations(name):
    """In every cycle: who is offered, what with, whose slots pass, and who hears that a command is over."""
    design = DESIGNS[name]
    names = list(sources(design))

    async def body(ctx, dut, rng):
        owner = None
        for _ in range(400):
            valid = {station: rng.random() < 0.4 for station in names}
            pacing = rng.choice([None, None, None, *names])
            cancel, ready, slot_ready, over = (rng.random() < chance for chance in (0.1, 0.6, 0.5, 0.2))
            given = {}
            for station in names:
                ctx.set(getattr(dut, f"{station}_valid"), valid[station])
                ctx.set(getattr(dut, f"{station}_pacing"), station == pacing)
                for field in (*FIELDS, "slot_columns", "slot_last", "slot_valid"):
                    pin = getattr(dut, f"{station}_{field}")
                    given[station, field] = rng.getrandbits(len(pin))
                    ctx.set(pin, given[station, field])
            for pin, value in {"cancel": cancel, "t_ready": ready, "slot_ready": slot_ready, "over": over}.items():
                ctx.set(getattr(dut, pin), value)
            first = next((station for station in names if valid[station]), None)
            free = pacing is None or cancel
            assert ctx.get(dut.pacing) == (pacing is not None)
            assert ctx.get(dut.t_valid) == (first is not None and free)
            for station in names:
                taken = station == first and free and ready
                assert ctx.get(getattr(dut, f"{station}_ready")) == taken
                assert ctx.get(getattr(dut, f"{station}_slot_ready")) == (station == owner and slot_ready)
                assert ctx.get(getattr(dut, f"{station}_over")) == (station == owner and over)
            if first is not None:
                assert [ctx.get(getattr(dut, f"t_{field}")) for field in FIELDS] == [given[first, f] for f in FIELDS]
                if "cells" in names:
                    assert ctx.get(dut.t_cells) == (first == "cells")
            assert ctx.get(dut.slot_valid) == (owner is not None and given[owner, "slot_valid"])
            if owner is not None:
                assert ctx.get(dut.slot_columns) == given[owner, "slot_columns"]
                assert ctx.get(dut.slot_last) == given[owner, "slot_last"]
            if first is not None and free and ready:
                owner = first
            await ctx.tick()

    run(design, body)


@pytest.mark.parametrize("name", DESIGNS)
def test_emitted_text_is_clean(name, tmp_path):
    texts = emit(CommandSwitch(DESIGNS[name]), name="command_switch", profile=DESIGNS[name].profile)
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    assert lint([str(tmp_path / file) for file in texts], "command_switch") == []
