"""Row queue against a list of rows, in amaranth.sim: what comes, in which order, and when it is empty."""

import importlib.util
import random
from pathlib import Path

import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.row_queue import RowQueue

_spec = importlib.util.spec_from_file_location("hybrid_bench", Path(__file__).with_name("hybrid_bench.py"))
side = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(side)
SIZES = {"8x8": (side.tile(8, 8, 4), 2), "13x7": (side.tile(13, 7, 3), 3), "1x1": (side.tile(1, 1, 1, bits=4), 2)}


@pytest.mark.parametrize("name", SIZES)
def test_rows_come_out_as_they_came_in(name):
    """Words, ends, drops and pops at random: in every cycle all that is told of the oldest row."""
    design, rows = SIZES[name]
    array, dut, rng = design.array, RowQueue(design, rows=rows, width=5, amount_bits=9), random.Random(1)
    waiting, coming, seen = [], {}, {"full": 0, "drops": 0}  # rows [row, {group: word}, amount]; the row that is coming
    row = amount = 0

    async def script(ctx):
        nonlocal row, amount, coming
        for _ in range(600):
            room, oldest = len(waiting) < rows, waiting[0] if waiting else None
            assert ctx.get(dut.w_ready) == room
            assert ctx.get(dut.row_valid) == (oldest is not None)
            assert ctx.get(dut.empty) == (oldest is None and not coming)
            if oldest:
                mask = sum(1 << group for group in oldest[1])
                assert [ctx.get(getattr(dut, at)) for at in ("row", "groups", "amount")] == [oldest[0], mask, oldest[2]]
            left = [group for group in range(array.groups) if group not in coming] if room else []
            word = rng.choice(left) if left and rng.random() < 0.5 else None
            ends, pops = room and rng.random() < 0.3, oldest is not None and rng.random() < 0.3
            drops = word is None and not ends and rng.random() < 0.1
            row = row if coming else rng.randrange(array.rows)
            of_word = {"row": row, "group": word or 0, "word": rng.getrandbits(5), "amount": rng.randrange(1, 9)}
            for at, value in {**of_word, "valid": word is not None, "end": ends, "drop": drops}.items():
                ctx.set(getattr(dut, f"w_{at}"), value)
            asked = rng.choice(list(oldest[1])) if oldest and rng.random() < 0.5 else None
            for at, value in {"fetch": asked is not None, "group": asked or 0, "pop": pops}.items():
                ctx.set(getattr(dut, at), value)
            if word is not None:
                coming[word], amount = of_word["word"], amount + of_word["amount"]
            seen["full"] += not room
            seen["drops"] += bool(drops and coming)
            await ctx.tick()
            if asked is not None:
                assert ctx.get(dut.word) == oldest[1][asked]
            if pops:
                waiting.pop(0)
            if ends and coming:
                waiting.append([row, coming, amount])
            if ends or drops:
                coming, amount = {}, 0

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(script)
    simulator.run()
    assert all(seen.values())
