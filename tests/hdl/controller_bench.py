"""The whole controller in amaranth.sim: the generated driver on one side, a small array of integers on the other.

The driver is synchronous: whenever it wants something the simulator runs on until that is done.
"""

import collections
import random

import numpy as np
from amaranth import Cat, ClockDomain, Module, Value
from amaranth.sim import Simulator

from crosstrain_hdl.controller import Controller
from crosstrain_model.frames import pack, result_bits, slot_bits, unpack
from crosstrain_model.port import ABORT_TAG, Op, Status, adc_words, code_bits, dac_words
from crosstrain_model.register_files import driver_module

INPUTS = """s_axil_awaddr s_axil_awvalid s_axil_wdata s_axil_wstrb s_axil_wvalid s_axil_bready
    s_axil_araddr s_axil_arvalid s_axil_rready s_axis_tdata s_axis_tvalid s_axis_tlast s_axis_tuser m_axis_tready
    arr_cmd_ready arr_slot_ready arr_dac_ready arr_adc_valid arr_adc_codes arr_adc_last arr_done_valid arr_done_tag
    arr_done_status arr_done_pulses arr_rails_ok""".split()
OUTPUTS = """s_axil_awready s_axil_bvalid s_axil_bresp s_axil_arready s_axil_rvalid s_axil_rresp s_axil_rdata
    s_axis_tready m_axis_tdata m_axis_tvalid m_axis_tlast m_axis_tuser irq arr_cmd_valid arr_cmd_op arr_cmd_row
    arr_cmd_width arr_cmd_amplitude arr_cmd_tag arr_slot_valid arr_slot_columns arr_slot_direction arr_slot_last
    arr_dac_valid arr_dac_codes arr_adc_ready arr_done_ready arr_prog_enable""".split()
Seen = collections.namedtuple("Seen", OUTPUTS)


class Macro:
    """An array of integer conductances: SET adds one, RESET takes one, reads are exact sums, clamped to the ADC."""

    def __init__(self, design, rng, ready):
        self.design, self.rng, self.ready_chance = design, rng, ready
        self.g = np.zeros((design.array.rows, design.array.device_columns), np.int64)
        self.commands = []  # (op, row, width, amplitude, slot masks)
        self.command = None
        self.done = []
        self.pause = 0
        self.answers = True  # False: takes a command and is silent for ever, but for ABORT
        self.status = Status.OK
        self.drives = {}

    def weights(self):
        """(rows, columns) weights as reads see them."""
        return self.g[:, 0::2] - self.g[:, 1::2] if self.design.array.differential else self.g

    def tick(self, seen):
        """One clock cycle: what the pins did; returns what they do next."""
        now = self.drives
        if seen.arr_cmd_valid and now.get("arr_cmd_ready"):
            self._take(seen)
        if now.get("arr_slot_ready") and seen.arr_slot_valid:
            self._slot(seen)
        if now.get("arr_dac_ready") and seen.arr_dac_valid:
            lanes, bits = self.design.array.lanes, code_bits(self.design)
            self.command["codes"] += unpack([seen.arr_dac_codes], per_beat=lanes, bits=bits)
            self.command["dac"] -= 1
        if now.get("arr_adc_valid") and seen.arr_adc_ready:
            self.command["adc"].pop(0)
            self.held_adc = False
        if now.get("arr_done_valid") and seen.arr_done_ready:
            self.done.pop(0)
            self.held_done = False
        self._advance()
        self.drives = self._outputs()
        return self.drives

    held_adc = held_done = False

    def _take(self, seen):
        op = Op(seen.arr_cmd_op)
        if op is Op.ABORT:
            if self.command is not None:
                self.done.append((self.command["tag"], Status.ABORTED, self.command["pulses"]))
                self.held_adc = False
            self.command = None
            self.done.append((ABORT_TAG, Status.ABORTED, 0))
            return
        assert self.command is None, "a command while another is unfinished"
        assert seen.arr_prog_enable or op is not Op.PROGRAM
        masks = []
        self.commands.append((op, seen.arr_cmd_row, seen.arr_cmd_width, seen.arr_cmd_amplitude, masks))
        self.command = {"op": op, "row": seen.arr_cmd_row, "tag": seen.arr_cmd_tag, "masks": masks, "pulses": 0}
        self.command |= {"width": seen.arr_cmd_width, "codes": [], "dac": dac_words(self.design, op), "adc": None}
        self.command["open"] = op is Op.PROGRAM  # slots are still to come

    def _slot(self, seen):
        columns = seen.arr_slot_columns
        command = self.command
        command["masks"].append(columns)
        command["pulses"] += columns.bit_count()
        for column in range(self.design.array.device_columns):
            if columns >> column & 1:
                self.g[command["row"], column] += 1 if seen.arr_slot_direction >> column & 1 else -1
        command["open"] = not seen.arr_slot_last
        self.pause = command["width"]

    def _advance(self):
        self.pause = max(0, self.pause - 1)
        command = self.command
        if command is None or command["open"] or command["dac"] or self.pause or not self.answers:
            return
        if command["op"] is not Op.PROGRAM and command["adc"] is None:
            command["adc"] = self._read(command)
        if not command["adc"]:
            self.done.append((command["tag"], self.status, command["pulses"]))
            self.command = None

    def _read(self, command):
        """Words of (codes, last)."""
        array, w = self.design.array, self.weights()
        codes = np.array(command["codes"], np.int64)
        if command["op"] is Op.FORWARD:
            y = codes[: array.rows] @ w
        elif command["op"] is Op.BACKWARD:
            y = w @ codes[: array.columns]
        else:
            y = w[command["row"]]
        half = 1 << (self.design.formats.adc - 1)
        words = pack(np.clip(y, -half, half - 1).tolist(), per_beat=array.lanes, bits=self.design.formats.adc)
        assert len(words) == adc_words(self.design, command["op"])
        return [(word, place == len(words) - 1) for place, word in enumerate(words)]

    def _outputs(self):
        command, patient = self.command, lambda: self.rng.random() < self.ready_chance
        out = {"arr_cmd_ready": patient(), "arr_slot_ready": False, "arr_dac_ready": False}
        if command is not None:
            out["arr_slot_ready"] = command["open"] and not self.pause and self.answers and patient()
            out["arr_dac_ready"] = command["dac"] > 0 and self.answers and patient()
        adc = command["adc"] if command is not None else None
        self.held_adc = bool(adc) and (self.held_adc or patient())
        out["arr_adc_valid"] = self.held_adc
        if self.held_adc:
            out["arr_adc_codes"], out["arr_adc_last"] = adc[0]
        self.held_done = bool(self.done) and (self.held_done or patient())
        out["arr_done_valid"] = self.held_done
        if self.held_done:
            out["arr_done_tag"], out["arr_done_status"], out["arr_done_pulses"] = self.done[0]
        return out


class Bench:
    """Transport of the generated driver, with random gaps on every stream.

    driver : the generated driver; macro : the array; cycles : clock cycles so far
    """

    def __init__(self, design, seed=1, *, ready=0.7, limit=200000):
        self.design, self.rng, self.limit = design, random.Random(seed), limit
        self.ready_chance = ready
        self.macro = Macro(design, random.Random(seed + 1), ready)
        self.dut = Controller(design)
        self.rails_ok, self.reset, self.drain = 1, 0, True
        self.beats, self.received, self.result = collections.deque(), collections.deque(), []
        self.access, self.answer = None, None
        self.cycles = 0
        self.seen = None
        self.drives = {}
        m = Module()
        m.domains.sync = self.domain = ClockDomain("sync")
        m.submodules.dut = self.dut
        self.simulator = Simulator(m)
        self.simulator.add_clock(1e-8)
        self.simulator.add_testbench(self._clocked, background=True)
        self.module = driver_module(design)
        self.driver = self.module.Driver(self)

    # -- transport

    def write32(self, address, value):
        response, _ = self._bus({"address": address, "data": value, "write": True})
        if response:
            raise OSError("SLVERR")

    def read32(self, address):
        response, data = self._bus({"address": address, "write": False})
        if response:
            raise OSError("SLVERR")
        return data

    def send_frame(self, codes, user):
        self.queue_frame(codes, user)
        self.run_until(lambda: not self.beats, "a frame to be taken")

    def receive_frame(self):
        self.run_until(lambda: self.received, "a result")
        return self.received.popleft()

    # -- beside the driver

    def queue_frame(self, codes, user, *, cut=0):
        """Frame without waiting; `cut` beats are missing at its end."""
        beats = pack(codes, per_beat=self.design.stream_codes, bits=slot_bits(self.design))
        beats = beats[: len(beats) - cut]
        self.beats += [(beat, user, place == len(beats) - 1) for place, beat in enumerate(beats)]

    def run_until(self, condition, what, limit=None):
        """Clock on until the condition holds."""
        stop = self.cycles + (limit or self.limit)
        while not condition():
            if self.cycles >= stop:
                raise TimeoutError(f"waited for {what}")
            self.simulator.advance()

    def run(self, cycles):
        stop = self.cycles + cycles
        self.run_until(lambda: self.cycles >= stop, "")

    def power_cycle(self, cycles=3):
        """Reset for some cycles; the macro is not reset."""
        self.reset = 1
        self.run(cycles)
        self.beats.clear()
        self.received.clear()
        self.result, self.access = [], None
        self.reset = 0
        self.run(1)

    def _bus(self, access):
        self.access, self.answer = access, None
        self.run_until(lambda: self.answer is not None, f"the bus at {access['address']:#x}", 5000)
        return self.answer

    # -- per clock

    async def _clocked(self, ctx):
        outputs = [getattr(self.dut, name) for name in OUTPUTS]
        inputs = {name: Value.cast(getattr(self.dut, name)) for name in INPUTS}
        widths = {name: len(value) for name, value in inputs.items()}
        held = {}
        while True:
            sampled = await ctx.tick().sample(*outputs)
            self.seen = seen = Seen(*sampled[-len(OUTPUTS) :])
            self.cycles += 1
            drives = {"arr_rails_ok": self.rails_ok}
            drives |= self.macro.tick(seen)
            drives |= self._host(seen)
            self.drives = drives
            ctx.set(self.domain.rst, self.reset)
            new = {name: int(value) for name, value in drives.items() if held.get(name) != value}
            held |= new
            word = shift = 0
            for name, value in new.items():
                word |= (value & ((1 << widths[name]) - 1)) << shift
                shift += widths[name]
            ctx.set(Cat(inputs[name] for name in new), word)  # at once, or the circuit would settle after each

    def _host(self, seen):
        drives = self.drives
        out = self._axi(seen, drives)
        if drives.get("s_axis_tvalid") and seen.s_axis_tready and self.beats:
            self.beats.popleft()
            drives = {**drives, "s_axis_tvalid": False}
        stays = drives.get("s_axis_tvalid", False)
        out["s_axis_tvalid"] = bool(self.beats) and (stays or self.rng.random() < self.ready_chance)
        if out["s_axis_tvalid"]:
            out["s_axis_tdata"], out["s_axis_tuser"], out["s_axis_tlast"] = self.beats[0]
        if seen.m_axis_tvalid and drives.get("m_axis_tready"):
            lanes, bits = self.design.array.lanes, result_bits(self.design)
            self.result += unpack([seen.m_axis_tdata], per_beat=lanes, bits=bits)
            if seen.m_axis_tlast:
                self.received.append((self.result, seen.m_axis_tuser))
                self.result = []
        out["m_axis_tready"] = self.drain and self.rng.random() < self.ready_chance
        return out

    def _axi(self, seen, drives):
        access = self.access
        if access is not None and seen.s_axil_bvalid and access["write"]:
            self.answer, self.access = (seen.s_axil_bresp, 0), None
        if access is not None and seen.s_axil_rvalid and not access["write"]:
            self.answer, self.access = (seen.s_axil_rresp, seen.s_axil_rdata), None
        if access is not None and (seen.s_axil_awready or seen.s_axil_arready):
            access["taken"] = True
        wants = self.access is not None and not self.access.get("taken")
        out = {"s_axil_bready": True, "s_axil_rready": True, "s_axil_wstrb": 15}
        write, read = wants and self.access["write"], wants and not self.access["write"]
        out |= {"s_axil_awvalid": write, "s_axil_wvalid": write, "s_axil_arvalid": read}
        if wants:
            out |= {"s_axil_awaddr": self.access["address"], "s_axil_araddr": self.access["address"]}
            out["s_axil_wdata"] = self.access.get("data", 0)
        return out
