"""How the parts of the dispatcher hang together: slots, words, counters. What it does is in `dispatcher.py`."""

from amaranth import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from crosstrain_hdl.command_queue import CommandQueue, Kind
from crosstrain_hdl.dispatcher_ports import TRAIN_COUNTERS
from crosstrain_hdl.pulse_ledger import PulseLedger
from crosstrain_hdl.read_path import ReadPath
from crosstrain_hdl.row_words import RowWords
from crosstrain_hdl.slot_path import SlotPath
from crosstrain_model.port import Status, outstanding


class DispatcherParts(wiring.Component):
    """Base of `Dispatcher`, whose members and signals it joins with those of its parts."""

    def _parts(self, m):
        m.submodules.queue = self._queue = CommandQueue(outstanding(self.design))
        m.submodules.slots = self._slots = SlotPath(self.design)
        m.submodules.reads = self._reads = ReadPath(self.design)
        m.submodules.train_ledger = self._train_ledger = PulseLedger()
        if self.design.transfers:
            m.submodules.ledger = self._ledger = PulseLedger()
            m.submodules.rows = self._rows = RowWords(self.design)

    def _connect(self, m):
        self._connect_slots(m)
        self._connect_reads(m)
        if self.design.transfers:
            self._connect_rows(m)
        self._connect_ledgers(m)

    def _connect_slots(self, m):
        queue, slots = self._queue, self._slots
        m.d.comb += [
            slots.passing.eq(self._passing & queue.due),
            slots.train.eq(queue.due_train),
            slots.start.eq(self.n_ready),
            slots.width.eq(self._width),
            slots.guard.eq(self.train_guard),
            queue.slot_end.eq(slots.ends),
            self.train_over.eq(queue.pop & queue.owes & (queue.kind == Kind.TRAIN)),
        ]
        self._pins(m, slots, "ns_", "arr_", "slot_", "pacing")
        if self.design.transfers:
            m.d.comb += [
                slots.direction.eq(self._direction),
                self.over.eq(queue.pop & queue.owes & (queue.kind == Kind.PROGRAM)),
            ]

    def _pins(self, m, part, *prefixes):
        """Connect members of the part with ours of the same name."""
        for name, member in part.signature.members.items():
            if name.startswith(prefixes):
                own, inner = getattr(self, name), getattr(part, name)
                m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)

    def _connect_reads(self, m):
        queue, reads = self._queue, self._reads
        running = Signal()  # whatever read is at the array goes on
        m.d.comb += [
            running.eq(self._passing & ~self._offering),
            reads.start.eq(self.h_ready),
            reads.op.eq(self.h_op),
            reads.tag.eq(self.h_tag),
            reads.running.eq(running),
            reads.stopped.eq(~self._offering & ~running),
            reads.complete.eq(self._complete & (queue.kind == Kind.READ)),
            reads.status.eq(self.arr_done_status),
            reads.lose.eq(self._lose & (queue.kind == Kind.READ)),
        ]
        self._pins(m, reads, "dac_", "adc_", "r_", "arr_dac_", "arr_adc_codes", "arr_adc_last")
        mine = ~self._queue.row_open if self.design.transfers else 1
        m.d.comb += [reads.arr_adc_valid.eq(self.arr_adc_valid & mine), self.arr_adc_ready.eq(reads.arr_adc_ready)]

    def _connect_rows(self, m):
        queue, rows = self._queue, self._rows
        ends = queue.kind == Kind.ROW
        m.d.comb += [
            rows.running.eq(queue.row_open & self._passing),
            rows.stopped.eq(queue.row_open & ~self._passing),
            rows.complete.eq(self._complete & ends),
            rows.status.eq(self.arr_done_status),
            rows.lose.eq((self._lose & ends) | (self.q_ready & self.cancel)),
            rows.arr_adc_valid.eq(self.arr_adc_valid & queue.row_open),
        ]
        self._pins(m, rows, "z_", "arr_adc_codes", "arr_adc_last")
        with m.If(queue.row_open):
            m.d.comb += self.arr_adc_ready.eq(rows.arr_adc_ready)

    def _connect_ledgers(self, m):
        ledgers = {Kind.TRAIN: (self._train_ledger, self.n_slots, "train_")}
        if self.design.transfers:
            ledgers[Kind.PROGRAM] = (self._ledger, self.p_pulses, "")
        for kind, (ledger, amount, prefix) in ledgers.items():
            own = self._queue.kind == kind
            m.d.comb += [
                ledger.issue.eq(self._take[kind]),
                ledger.issue_pulses.eq(amount),
                ledger.drop.eq(self.cancel),
                ledger.complete.eq(self._complete & own),
                ledger.pulses.eq(self._queue.amount),
                ledger.reported.eq(self.arr_done_pulses),
                ledger.was_aborted.eq(self.arr_done_status == Status.ABORTED),
                ledger.lose.eq(self._lose & own),
                ledger.clear.eq(self.clear_counters),
            ]
            m.d.comb += [getattr(self, prefix + name).eq(getattr(ledger, name)) for name in TRAIN_COUNTERS]
        m.d.comb += [
            self._train_ledger.command.eq(self._queue.taken),
            self.commands.eq(self._train_ledger.commands),
            self.stray.eq(self._train_ledger.stray_count),
        ]
