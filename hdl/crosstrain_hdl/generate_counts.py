"""What the emitted Verilog holds: instances, registers and memories, counted over the hierarchy.

The text of emission is regular (one declaration or instance head per line), and every `reg` of a unit is a register.
"""

import dataclasses
import re

from crosstrain_hdl.memory import ram_name

INSTANCE = re.compile(r"^  (\w+) u_\w+ \($", re.MULTILINE)
REGISTER = re.compile(r"^  (?:output )?reg +(?:\[(\d+):(\d+)\] )?\w+;?,?$", re.MULTILINE)
RAM = re.compile(r"^ram_(\d+)x(\d+)$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """One kind of memory wrapper and how often it is there."""

    module: str
    depth: int
    """Words."""
    width: int
    """Bits of a word."""
    instances: int

    @property
    def bits(self):
        """Bits of all instances."""
        return self.depth * self.width * self.instances


def instances(texts, top):
    """{module: how often it is in the design} for the top (1) and everything below it, in the order of the texts.

    texts : {"<module>.v": text} as `emit` returns them
    """
    below = {name.removesuffix(".v"): INSTANCE.findall(text) for name, text in texts.items()}
    counts = dict.fromkeys(below, 0)

    def visit(module):
        counts[module] += 1
        for inner in below[module]:
            visit(inner)

    visit(top)
    return counts


def state_bits(texts, top):
    """Flip-flops of the design: bits of all registers outside the memory wrappers."""
    counts = instances(texts, top)
    total = 0
    for name, text in texts.items():
        module = name.removesuffix(".v")
        if not RAM.match(module):
            spans = (int(high or 0) - int(low or 0) + 1 for high, low in REGISTER.findall(text))
            total += counts[module] * sum(spans)
    return total


def memories(texts, top):
    """Every kind of memory wrapper of the design, as a list of `Memory` in the order of the texts."""
    found = []
    for module, count in instances(texts, top).items():
        if shape := RAM.match(module):
            depth, width = int(shape[1]), int(shape[2])
            assert module == ram_name(depth, width), module
            found.append(Memory(module=module, depth=depth, width=width, instances=count))
    return found
