"""Transfer: visits the rows of the gradient array that were read, one group per cycle. The rule is
`crosstrain_model.transfer`, that of P and P_ref `crosstrain_model.reference`.

    S0  codes, H, P and P_ref of the group are asked for
    S1  they are there                                reference: o - P_ref, o - P
    S2                                                reference: z; the new P
    S3  H + z, saturated                              P and P_ref are written
    S4  threshold                                     H is written
    S5  counts leave on c_*

Rows follow each other without a gap. One that is met again while it is still in S1 to S4, as on tiles of few groups,
waits there. The host's accesses and the sweep that clears take the same way, alone.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.accumulator_ledger import TOTALS
from crosstrain_hdl.memory import Memory1R1W, address_width
from crosstrain_hdl.reference import LEAK_BITS, Reference, chops
from crosstrain_hdl.threshold import COUNT_BITS, Threshold, theta_width
from crosstrain_hdl.transfer_control import STAGES, TransferControl
from crosstrain_hdl.transfer_counts import COUNTERS, TransferCounts
from crosstrain_hdl.transfer_ledger import Op, TransferLedger
from crosstrain_hdl.transfer_rows import TransferRows, token_ports
from crosstrain_model.chopper import column_choppers
from crosstrain_model.pulse import row_buffers
from crosstrain_model.reference import has_mean, reference_bits
from crosstrain_model.registers_gradient import MEMORIES, cell_bits


class Transfer(wiring.Component):
    """Memories H, P and P_ref, and all that is done to them.

    Members
    -------
    k_*, z_* : tokens and words of reads, see `TransferRows`
    c_valid, c_row, c_counts, c_last : Out, counts of a row, groups ascending, lanes * 5 bits signed, the last marked;
        every row that is visited gives them, for `Pulse`
    pulse_free : In, rows that `Pulse` can take beside those under way; none begins without
    cancel : In(1), level: rows that wait are dropped as if their reads had failed
    theta : In(theta_width(design)); leak : In(3), where there is P; constant while busy
    m_valid, m_ready : In, Out, an access of the host; it stays while m_valid is high and m_ready low, and no row begins
    m_write, m_row, m_group, m_data : In, lanes * cell_bits(design), signed cells whose upper bits may be anything
    m_select : In(2), 0 H, 1 P, 2 P_ref; with a dynamic reference. A memory that is not there reads 0
    r_valid, r_data : Out, the group that was read, one cycle after m_ready, sign-extended
    clear : In(1), strobe: sweep all memories, between two rows; clearing : Out(1), from reset and after it
    busy : Out(1), a token waits, or something is under way; not for the sweep
    lost : Out(1), strobe: a read was dropped; adc_clip : Out(1), strobe: codes were at an end of the ADC's range
    clip_valid, clip_count : Out, so many lanes of H were clamped
    visits, clipped, adc_clipped, lost_reads : Out(32), counters modulo 2^32; count_clear : In(1), strobe
    total_* : Out(64), only with `ledger`, see `TransferLedger`

    Attributes
    ----------
    latency : cycles from a group's S0 to its counts, 5; a row's first S0 is in the cycle after its z_end
    memories : Memory1R1W by name, word row * groups + group; their `words` for `amaranth.sim`
    """

    latency = STAGES + 1

    def __init__(self, design):
        array = design.array
        self.design = design
        self.bits = {"H": design.formats.accumulator}
        if has_mean(design):
            self.bits["P"] = reference_bits(design)
        if design.dynamic_reference:
            self.bits["P_ref"] = reference_bits(design)
        depth = array.rows * array.groups
        self.memories = {name: Memory1R1W(depth, array.lanes * bits) for name, bits in self.bits.items()}
        cells = array.lanes * cell_bits(design)
        super().__init__(
            {
                "k_valid": In(1),
                "k_ready": Out(1),
                **token_ports(design),
                "z_valid": In(1),
                "z_ready": Out(1),
                "z_codes": In(array.lanes * design.formats.adc),
                "z_end": In(1),
                "z_good": In(1),
                "c_valid": Out(1),
                "c_row": Out(address_width(array.rows)),
                "c_counts": Out(array.lanes * COUNT_BITS),
                "c_last": Out(1),
                "pulse_free": In(range(row_buffers(design) + 1)),
                "cancel": In(1),
                "theta": In(theta_width(design)),
                **({"leak": In(LEAK_BITS)} if has_mean(design) else {}),
                "m_valid": In(1),
                "m_ready": Out(1),
                "m_write": In(1),
                **({"m_select": In(2)} if design.dynamic_reference else {}),
                "m_row": In(address_width(array.rows)),
                "m_group": In(address_width(array.groups)),
                "m_data": In(cells),
                "r_valid": Out(1),
                "r_data": Out(cells),
                "clear": In(1),
                "clearing": Out(1),
                "busy": Out(1),
                "lost": Out(1),
                "adc_clip": Out(1),
                "clip_valid": Out(1),
                "clip_count": Out(array.lanes.bit_length()),
                "count_clear": In(1),
                **{name: Out(32) for name in COUNTERS},
                **({f"total_{name}": Out(64) for name in TOTALS} if design.ledger else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for name, memory in self.memories.items():
            m.submodules[name.lower()] = memory
        m.submodules.rows = self._rows = TransferRows(self.design)
        m.submodules.control = self._control = TransferControl(self.design)
        m.submodules.reference = self._reference = Reference(self.design)
        m.submodules.threshold = self._threshold = Threshold(self.design)
        m.submodules.counts = self._counts = TransferCounts(self.design)
        self._connect(m)
        self._refer(m)
        clips = self._sum(m)
        counts = self._compare(m)
        self._give(m)
        m.d.comb += self._counts.clips.eq(clips)
        busy = self._control.busy | ~self._rows.empty | self.c_valid
        if self.design.ledger:
            busy = busy | self._keep_ledger(m, counts)
        m.d.comb += self.busy.eq(busy)
        return m

    def _connect(self, m):
        """Pins to and from the parts, and the parts to each other."""
        rows, control, counts = self._rows, self._control, self._counts
        for part in (rows, control, counts):
            for name, member in part.signature.members.items():
                if name in self.signature.members and name not in ("busy", "lost"):
                    own, inner = getattr(self, name), getattr(part, name)
                    m.d.comb += inner.eq(own) if member.flow == In else own.eq(inner)
        m.d.comb += [
            *(getattr(rows, name).eq(getattr(control, name)) for name in ("group", "read", "release")),
            control.ended.eq(self.c_valid & self.c_last),
            counts.visit.eq(control.visit),
            counts.codes.eq(rows.codes),
            counts.last.eq(control.last_1),
            counts.lost.eq(rows.lost),
            counts.dropped.eq(control.dropped),
            self.lost.eq(rows.lost | control.dropped),
        ]
        for name in ("row_valid", "row", "sign", "flip", "warm"):
            if name in control.signature.members:
                m.d.comb += getattr(control, name).eq(getattr(rows, name))
        asked = control.visit[0] | control.fetch[0]
        for name, memory in self.memories.items():
            replaced = control.wipe[0] | control.write[0] if self.design.ledger and name == "H" else 0
            m.d.comb += [memory.R0_addr.eq(control.at_0), memory.R0_en.eq(asked | replaced)]

    def _refer(self, m):
        """S1 to S3: the codes through the reference; P and P_ref."""
        reference, control = self._reference, self._control
        m.d.comb += [reference.valid.eq(control.visit[1]), reference.codes.eq(self._rows.codes)]
        if chops(self.design):
            signs = control.sign_1.replicate(self.design.array.lanes)
            if column_choppers(self.design) != "none":
                signs = signs ^ self._rows.columns
            m.d.comb += reference.negative.eq(signs)
        for select, name in enumerate(MEMORIES):
            if name == "H" or name not in self.memories:
                continue
            memory, visited = self.memories[name], control.visit[3]
            m.d.comb += [
                getattr(reference, name.lower()).eq(memory.R0_data),
                memory.W0_addr.eq(control.at_3),
                memory.W0_en.eq(
                    (visited & control.flip_3 if name == "P_ref" else visited)
                    | control.wipe[3]
                    | (control.write[3] & (self.m_select == select))
                ),
                memory.W0_data.eq(Mux(visited, reference.newest, self._given(name, control.wipe[3]))),
            ]
        if has_mean(self.design):
            m.d.comb += reference.leak.eq(self.leak)

    def _given(self, name, wiped):
        """0, or the host's cells as a memory keeps them: 0 in lanes beyond the last column."""
        array, size, bits = self.design.array, cell_bits(self.design), self.bits[name]
        used = array.columns - (array.groups - 1) * array.lanes
        cells = [self.m_data[lane * size :][:bits] for lane in range(array.lanes)]
        beyond = self.m_group == array.groups - 1
        return Mux(wiped, 0, Cat(cells[:used], (Mux(beyond, 0, cell) for cell in cells[used:])))

    def _sum(self, m):
        """S3: H + z, saturated into S4; gives which lanes were."""
        control, lanes, width = self._control, self.design.array.lanes, self.design.formats.accumulator
        size = reference_bits(self.design) + 1
        low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
        held = [self.memories["H"].R0_data, *(Signal(lanes * width, name=f"h_s{stage}") for stage in (2, 3, 4))]
        for stage, (old, new) in enumerate(zip(held, held[1:], strict=False), 1):
            counted = control.wipe[stage] | control.write[stage] if self.design.ledger else 0
            with m.If(control.visit[stage] | counted):
                m.d.sync += new.eq(old)
        self._before = held[-1]
        self._summed, clips = [], Signal(lanes, name="clips")
        for lane in range(lanes):
            total = Signal(signed(max(width, size) + 1), name=f"sum_{lane}")
            summed = Signal(signed(width), name=f"summed_{lane}")
            clip = Signal(name=f"clip_{lane}")
            h, z = held[2][lane * width :][:width], self._reference.z[lane * size :][:size]
            m.d.comb += [
                total.eq(h.as_signed() + z.as_signed()),
                clip.eq(total[width - 1 :] != total[-1].replicate(len(total) - width + 1)),
            ]
            with m.If(control.visit[3]):
                m.d.sync += [summed.eq(Mux(clip, Mux(total[-1], low, high), total)), clips[lane].eq(clip)]
            self._summed.append(summed)
        return clips

    def _compare(self, m):
        """S4: threshold, H, counts; gives these."""
        control, memory, threshold = self._control, self.memories["H"], self._threshold
        visited, chosen = control.visit[4], self.m_select == 0 if self.design.dynamic_reference else 1
        counts = Signal.like(threshold.p, name="counts")
        m.d.comb += [
            threshold.a.eq(Cat(self._summed)),
            threshold.theta.eq(self.theta),
            counts.eq(Mux(control.warm_4, 0, threshold.p)),
            memory.W0_addr.eq(control.at_4),
            memory.W0_en.eq(visited | control.wipe[4] | (control.write[4] & chosen)),
            memory.W0_data.eq(Mux(visited, threshold.a_next, self._given("H", control.wipe[4]))),
        ]
        m.d.sync += self.c_valid.eq(visited)
        with m.If(visited):
            m.d.sync += [self.c_row.eq(control.row_4), self.c_last.eq(control.last_4), self.c_counts.eq(counts)]
        return counts

    def _give(self, m):
        """S1: a group for the host."""
        size, lanes = cell_bits(self.design), self.design.array.lanes
        m.d.sync += self.r_valid.eq(self._control.fetch[1])
        with m.If(self._control.fetch[1]):
            for select, name in enumerate(MEMORIES):
                word = 0  # of a memory that is not there
                if name in self.memories:
                    bits, data = self.bits[name], self.memories[name].R0_data
                    cells = [data[lane * bits :][:bits] for lane in range(lanes)]
                    word = Cat(Cat(cell, cell[-1].replicate(size - bits)) for cell in cells)
                if not self.design.dynamic_reference:
                    m.d.sync += self.r_data.eq(word)
                    break
                with m.If(self.m_select == select):
                    m.d.sync += self.r_data.eq(word)

    def _keep_ledger(self, m, counts):
        """Totals of all that is done to H; gives whether some are still on their way."""
        m.submodules.ledger = ledger = TransferLedger(self.design)
        control, memory = self._control, self.memories["H"]
        z = Signal.like(self._reference.z, name="z_s4")
        with m.If(control.visit[3]):
            m.d.sync += z.eq(self._reference.z)
        m.d.comb += [
            ledger.valid.eq(memory.W0_en),
            ledger.op.eq(Mux(control.visit[4], Op.VISIT, Mux(control.wipe[4], Op.CLEAR, Op.WRITE))),
            ledger.uncounted.eq(control.uncounted_4),
            ledger.before.eq(self._before),
            ledger.summed.eq(Cat(self._summed)),
            ledger.after.eq(memory.W0_data),
            ledger.z.eq(z),
            ledger.counts.eq(counts),
            ledger.theta.eq(self.theta),
            *(getattr(self, f"total_{name}").eq(getattr(ledger, f"total_{name}")) for name in TOTALS),
        ]
        return ledger.busy
