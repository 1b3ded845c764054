"""What the tests of hybrid weights share: designs, packed words, rows of changes as visits, queues of rows read out."""

import numpy as np

from crosstrain_hdl.hybrid_ports import q_bits
from crosstrain_model.design import Array, Design, Formats, Pulse, Update
from crosstrain_model.design_gradient import Random
from crosstrain_model.design_hybrid import Hybrid
from crosstrain_model.design_verify import Verify


def tile(rows, columns, lanes, *, bits=7, fraction=8, accumulator=16, pulses=3, remainder="keep", profile="fpga",
         random=None, **hybrid):  # fmt: skip
    """A small design of hybrid weights."""
    return Design(
        name="hybrid", scheme="hic", array=Array(rows=rows, columns=columns, lanes=lanes, pair="set-only"),
        formats=Formats(fraction=fraction, accumulator=accumulator), profile=profile, random=random or Random(),
        update=Update(threshold=1, max_pulses=pulses, remainder=remainder), hybrid=Hybrid(bits=bits, **hybrid),
        verify=Verify(window=1, set_margin=0),
        pulse=Pulse(width_set=4, width_reset=7, guard=3, amplitude_reset=0xC000),  # no two of them are equal
    )  # fmt: skip


DESIGNS = {
    "8x8": tile(8, 8, 4),
    "13x7": tile(13, 7, 3, bits=5, remainder="clear", profile="asic", code="gray"),
    "1x1": tile(1, 1, 1, bits=4, pulses=1, fraction=0, accumulator=8),
    "coarse": tile(3, 5, 2, bits=12, pulses=15, fraction=12, accumulator=8, code="gray"),
    "wide": tile(2, 12, 4, bits=4, pulses=2, accumulator=24, fraction=3, random=Random(permute=False)),
}


def pack(values, bits):
    """The packed word of fields."""
    return sum((int(value) & ((1 << bits) - 1)) << (place * bits) for place, value in enumerate(values))


def unpack(word, bits, count, *, signed=True):
    """Fields of a packed word."""
    parts = [word >> (place * bits) & ((1 << bits) - 1) for place in range(count)]
    return [part - (part >> (bits - 1) << bits) for part in parts] if signed else parts


def grouped(design, row):
    """[groups, lanes] of a row [columns], zeros beyond the last column."""
    array = design.array
    padded = np.zeros(array.groups * array.lanes, np.int64)
    padded[: array.columns] = row
    return padded.reshape(array.groups, array.lanes)


def drawn_changes(design, rng, size, *, density=0.5):
    """Changes [columns] of which some reach a carry, some round to 0."""
    width = design.formats.accumulator
    most = min(size, (1 << (width - 1)) - 1)
    changes = rng.integers(-most, most + 1, design.array.columns) >> rng.integers(0, width, design.array.columns)
    return np.where(rng.random(design.array.columns) < density, changes, 0)


def rounded_visits(design, rng, rows, *, sparse=0.3):
    """Rows of rounded changes as visits: [(row, q [columns], visits of `r_*`)], groups whose q are all 0 left out."""
    made = []
    for _ in range(rows):
        row, groups = int(rng.integers(design.array.rows)), design.array.groups
        top = 1 << int(rng.integers(1, q_bits(design)))
        q = grouped(design, np.where(rng.random(design.array.columns) < 0.5,
                                     rng.integers(-top, top, design.array.columns), 0))  # fmt: skip
        if rng.random() < sparse:
            q[np.arange(groups) != rng.integers(groups)] = 0
        named = np.flatnonzero(q.any(axis=1)).tolist()
        visits = [(row, group, q[group].tolist(), 1, 0) for group in named]
        if named and (named[-1] == groups - 1 or rng.random() < sparse):
            visits[-1] = (*visits[-1][:4], 1)
        else:
            visits.append((0, 0, [0] * design.array.lanes, 0, 1))
        made.append((row, q.reshape(-1)[: design.array.columns], visits))
    return made


class Rows:
    """Reads rows out of a RowQueue as they come, with pauses: `seen` has (row, [words of all groups])."""

    def __init__(self, design, queue, rng, *, bits, count, stalls):
        self.design, self.queue, self.rng, self.bits, self.count, self.stalls = design, queue, rng, bits, count, stalls
        self.seen = []

    async def run(self, ctx):
        """A process of the simulation."""
        queue, groups = self.queue, self.design.array.groups
        while True:
            if not ctx.get(queue.row_valid) or self.rng.random() < self.stalls:
                await ctx.tick()
                continue
            row, named, words = ctx.get(queue.row), ctx.get(queue.groups), [[0] * self.count] * groups
            assert named
            for group in range(groups):
                if named >> group & 1:
                    ctx.set(queue.fetch, 1)
                    ctx.set(queue.group, group)
                    await ctx.tick()
                    ctx.set(queue.fetch, 0)
                    words[group] = unpack(ctx.get(queue.word), self.bits, self.count)
            self.seen.append((row, words))
            ctx.set(queue.pop, 1)
            await ctx.tick()
            ctx.set(queue.pop, 0)
