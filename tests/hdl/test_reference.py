"""Reference hardware against the model, in amaranth.sim: one group per cycle, gaps that leave no trace."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from crosstrain_hdl.reference import Reference
from crosstrain_model import reference as model
from crosstrain_model.design import Array, Design, Formats, Transfer


def design(scheme="agad", columns=6, lanes=3, transfer=None, **formats):
    return Design(
        scheme=scheme, array=Array(rows=2, columns=columns, lanes=lanes),
        formats=Formats(**{"adc": 6, "fraction": 3, **formats}), transfer=Transfer(**(transfer or {})),
    )  # fmt: skip


DESIGNS = {
    "leak": design(),
    "truncate": design(rounding="truncate"),
    "last": design(transfer={"memory": "last"}),
    "static": design("c-ttv2"),
    "static, no chopper": design("ttv2"),
    "columns": design("ttv2", transfer={"column_chopper": "period"}),
    "narrow": design(columns=1, lanes=1, adc=1, fraction=0),
    "wide": design(columns=5, lanes=5, adc=18, fraction=12),
}


def pack(values, bits):
    """The packed word of signed fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (lane * bits) for lane, value in enumerate(values))


def fields(word, lanes, bits):
    """Signed fields of a packed word."""
    parts = [word >> (lane * bits) & ((1 << bits) - 1) for lane in range(lanes)]
    return [part - (part >> (bits - 1) << bits) for part in parts]


@pytest.mark.parametrize("leak", [0, 1, 4, 7])
@pytest.mark.parametrize("name", DESIGNS)
def test_equal(name, leak):
    tile = DESIGNS[name]
    rng = np.random.default_rng(leak)
    lanes, adc, bits = tile.array.lanes, tile.formats.adc, model.reference_bits(tile)
    dut, wanted, seen = Reference(tile), [], []

    def numbers(width, unit=1):
        half = 1 << (width - 1)
        return np.where(rng.random(lanes) < 0.5, rng.choice([-half, half - 1, 0, -1], lanes),
                        rng.integers(-half, half, lanes)) * unit  # fmt: skip

    async def drive(ctx):
        if model.has_mean(tile):
            ctx.set(dut.leak, leak)
        for _ in range(300):
            ctx.set(dut.valid, 1)
            codes, p, p_ref, negative = numbers(adc), numbers(bits), numbers(bits), rng.random(lanes) < 0.5
            o = model.read_out(tile, codes)
            given = {"codes": pack(codes, adc), "p": pack(p, bits), "p_ref": pack(p_ref, bits),
                     "negative": pack(negative, 1)}  # fmt: skip
            for member, value in given.items():
                if member in dut.signature.members:
                    ctx.set(getattr(dut, member), value)
            negative = negative if "negative" in dut.signature.members else np.zeros(lanes, bool)
            z = model.demodulated(o, p_ref if tile.dynamic_reference else None, negative)
            newest = model.leaked(tile, p, o, leak) if model.has_mean(tile) else o
            wanted.append((z.tolist(), newest.tolist() if tile.dynamic_reference else None))
            await ctx.tick()
            ctx.set(dut.valid, 0)
            for member in given:
                if member in dut.signature.members:
                    ctx.set(getattr(dut, member), -1)
            await ctx.tick().repeat(int(rng.integers(1, 4))) if rng.random() < 0.3 else None
        await ctx.tick().repeat(3)

    async def watch(ctx):
        valid = [0, 0]
        outputs = [dut.z, *([dut.newest] if tile.dynamic_reference else [])]
        async for _, _, now, *words in ctx.tick().sample(dut.valid, *outputs):
            if valid[1]:
                z = fields(words[0], lanes, bits + 1)
                seen.append((z, fields(words[1], lanes, bits) if tile.dynamic_reference else None))
            valid = [now, valid[0]]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert len(seen) == 300
    assert seen == wanted


def test_what_is_not_used_is_not_there():
    members = {name: set(Reference(tile).signature.members) for name, tile in DESIGNS.items()}
    assert members["static, no chopper"] == {"valid", "codes", "z"}
    assert members["static"] == members["columns"] == {"valid", "codes", "negative", "z"}
    assert members["last"] == members["static"] | {"p_ref", "newest"}
    assert members["leak"] == members["last"] | {"p", "leak"}
