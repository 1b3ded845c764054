"""Memory switch: the window's visits go to the memory that MEM_SELECT names: dW and W, or L of hybrid weights, or
pulses of plus or minus devices.

A word of the window has a cell per lane, all of one width; each memory has its own, and what does not fit into it is
cut off. Counts of plus and minus devices lie in one word: a write puts the other half back as the read before it, which
the window always makes, had it.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_hdl.window import cell_width, has_select


class MemorySwitch(wiring.Component):
    """Members

    m_select : In(2), which memory, in the numbering of `cost.window_cells`; where there are several
    m_valid, m_ready, m_write, m_row, m_group, m_data, r_valid, r_data : the window's visits
    dw_valid, dw_ready, dw_data, dw_r_valid, dw_r_data : of the accumulators, through the schedule
    copy_valid, copy_ready, copy_data, copy_r_valid, copy_r_data : of the copy
    l_valid, l_ready, l_data, l_r_valid, l_r_data : of L, in the place of both
    cells_* : of the counts of pulses, where there are any

    Row, group and the kind of a visit are the window's own.
    """

    def __init__(self, design):
        self.design = design
        array = design.array
        self.bits = {"dw": design.formats.accumulator, "copy": design.copy_bits}
        if design.carried:
            self.bits = {"l": design.hybrid.bits}
        self.signed = tuple(self.bits)
        if design.verify.cell_bits:
            self.bits["cells"] = 2 * design.verify.cell_bits
        word = array.lanes * cell_width(design)
        ports = {
            **({"m_select": In(2)} if has_select(design) else {}),
            "m_valid": In(1),
            "m_ready": Out(1),
            "m_write": In(1),
            "m_row": In(address_width(array.rows)),
            "m_group": In(address_width(array.groups)),
            "m_data": In(word),
            "r_valid": Out(1),
            "r_data": Out(word),
        }
        for name, bits in self.bits.items():
            ports |= {f"{name}_valid": Out(1), f"{name}_ready": In(1), f"{name}_data": Out(array.lanes * bits)}
            ports |= {f"{name}_r_valid": In(1), f"{name}_r_data": In(array.lanes * bits)}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        chosen = {self.signed[0]: Const(1, 1)}
        if has_select(self.design):
            chosen = {name: self.m_select == place for place, name in enumerate(self.signed)}
            chosen["cells"] = self.m_select >= len(self.signed)
        ready = came = 0
        data = self._extended(self.signed[0])
        for name in self.bits:
            m.d.comb += getattr(self, f"{name}_valid").eq(self.m_valid & chosen[name])
            ready = ready | (chosen[name] & getattr(self, f"{name}_ready"))
            came = came | (chosen[name] & getattr(self, f"{name}_r_valid"))
            if name == "copy":
                data = Mux(chosen[name], self._extended(name), data)
        for name in self.signed:
            m.d.comb += getattr(self, f"{name}_data").eq(Cat(cell[: self.bits[name]] for cell in self._cells()))
        if "cells" in self.bits:
            data = Mux(chosen["cells"], self._counts(m), data)
        m.d.comb += [self.m_ready.eq(ready), self.r_valid.eq(came), self.r_data.eq(data)]
        return m

    def _cells(self):
        """Cells of the word that the window writes."""
        width = cell_width(self.design)
        return [self.m_data.word_select(lane, width) for lane in range(self.design.array.lanes)]

    def _extended(self, name):
        """A word of signed cells as the window has it."""
        width, bits, word = cell_width(self.design), self.bits[name], getattr(self, f"{name}_r_data")
        cells = [word.word_select(lane, bits) for lane in range(self.design.array.lanes)]
        return Cat(Cat(cell, cell[-1].replicate(width - bits)) for cell in cells)

    def _counts(self, m):
        """Counts of the devices chosen, as the window has them; and what is written of both."""
        bits, width = self.design.verify.cell_bits, cell_width(self.design)
        minus = self.m_select == len(self.signed) + 1
        kept = Signal.like(self.cells_r_data, name="kept")
        with m.If(self.cells_r_valid):
            m.d.sync += kept.eq(self.cells_r_data)
        shown, written = [], []
        for lane, cell in enumerate(self._cells()):
            of_plus, of_minus = (self.cells_r_data.word_select(2 * lane + half, bits) for half in (0, 1))
            shown.append(Cat(Mux(minus, of_minus, of_plus), Const(0, width - bits)))
            plus, other = (kept.word_select(2 * lane + half, bits) for half in (0, 1))
            written += [Mux(minus, plus, cell[:bits]), Mux(minus, cell[:bits], other)]
        m.d.comb += self.cells_data.eq(Cat(written))
        return Cat(shown)
