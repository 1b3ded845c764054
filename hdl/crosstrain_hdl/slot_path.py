"""Slot path: the slots of trains and of rows on their way to the array port, in the order of their commands and paced.

Slots of trains are paced here: the next slot, whosever it is, comes width + guard cycles after one was taken. Pulse
paces its own; a train waits for that too.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.pulse import GUARD_BITS
from crosstrain_model.port import WIDTH_BITS


class SlotPath(wiring.Component):
    """Members

    passing : In(1), slots pass: a command at the array has some left
    train : In(1), it is a TRAIN
    start : In(1), strobe: a train begins, of this width
    width, guard : In, of trains; width at least 1
    pace : Out(1), the last slot of a train is not yet over
    ends : Out(1), strobe: a last slot is taken
    ns_* : slots of trains, see `Dispatcher`
    slot_valid, slot_ready, slot_columns, slot_last, pacing, direction : slots of rows, where rows are programmed
    arr_slot_* : the array port
    """

    def __init__(self, design):
        self.design = design
        rows, columns = design.array.rows, design.array.device_columns
        members = {
            "passing": In(1),
            "train": In(1),
            "start": In(1),
            "width": In(WIDTH_BITS),
            "guard": In(GUARD_BITS),
            "pace": Out(1),
            "ends": Out(1),
            "ns_valid": In(1),
            "ns_ready": Out(1),
            "ns_rows": In(rows),
            "ns_columns": In(columns),
            "ns_direction": In(columns),
            "ns_last": In(1),
            "arr_slot_valid": Out(1),
            "arr_slot_ready": In(1),
            "arr_slot_rows": Out(rows),
            "arr_slot_columns": Out(columns),
            "arr_slot_direction": Out(columns),
            "arr_slot_last": Out(1),
        }
        if design.transfers:
            members |= {
                "slot_valid": In(1),
                "slot_ready": Out(1),
                "slot_columns": In(columns),
                "slot_last": In(1),
                "pacing": In(1),
                "direction": In(1),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        width = Signal(WIDTH_BITS)
        left = Signal(WIDTH_BITS + 1)
        free = Signal()
        m.d.comb += [
            self.pace.eq(left != 0),
            free.eq(self.passing & ~self.pace),
            self.ends.eq(self.arr_slot_valid & self.arr_slot_ready & self.arr_slot_last),
        ]
        with m.If(self.start):
            m.d.sync += width.eq(self.width)
        with m.If(self.ns_valid & self.ns_ready):
            m.d.sync += left.eq(width + self.guard - 1)
        with m.Elif(self.pace):
            m.d.sync += left.eq(left - 1)
        names = ("valid", "rows", "columns", "direction", "last")
        slots = {name: getattr(self, f"ns_{name}") for name in names}
        free_for_train = free
        if self.design.transfers:
            free_for_train = free & self.train & ~self.pacing
            of_row = {name: getattr(self, f"slot_{name}") for name in ("valid", "columns", "last")}
            of_row |= {"rows": 0, "direction": self.direction.replicate(len(self.arr_slot_direction))}
            slots = {name: Mux(self.train, slots[name], of_row[name]) for name in names}
            m.d.comb += self.slot_ready.eq(free & ~self.train & self.arr_slot_ready)
            free = Mux(self.train, free_for_train, free)
        m.d.comb += self.ns_ready.eq(free_for_train & self.arr_slot_ready)
        slots["valid"] = slots["valid"] & free
        m.d.comb += [getattr(self, f"arr_slot_{name}").eq(value) for name, value in slots.items()]
        return m
