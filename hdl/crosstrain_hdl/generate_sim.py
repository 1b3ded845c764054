"""What stands around a generated controller: an example of an instance, the array as stub and as model, a smoke test.

All is plain Verilog for any simulator. The array model follows the array port with integer conductances; the smoke test
drives the tile's pins and compares with numbers worked out here by the rules of `crosstrain_model`.
"""

import numpy as np

from crosstrain_hdl.emit import emit, reset_port
from crosstrain_hdl.generate_flow import nanoseconds, period_ps, render
from crosstrain_hdl.generate_ports import Port
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_model.frames import FrameOp, User, frame_codes, result_bits, slot_bits
from crosstrain_model.gradient_controller import GradientController, TrainEvent
from crosstrain_model.hybrid_controller import HybridController
from crosstrain_model.port import (
    ABORT_TAG,
    OP_BITS,
    ArrayId,
    Op,
    Status,
    adc_bits,
    adc_codes,
    code_bits,
    outstanding,
    port_signals,
    row_bits,
    slot_columns,
)
from crosstrain_model.port_rules import RULES
from crosstrain_model.pulse import SET
from crosstrain_model.registers import ID, find, register_table
from crosstrain_model.stream_controller import StreamController

TURNED = {"in": "output", "out": "input"}
"""Direction of a pin as the array sees it, from the controller's."""


def array_name(design):
    """Module name of the array, for the stub and for the behavioural model."""
    return f"{design.top}_array"


def array_pins(design):
    """Pins of the array's module, as a list of `Port`: clock and reset, then the array port seen from its other end."""
    signals = port_signals(design)
    pins = [Port(name=name, direction="input", width=1, doc="") for name in ("clk", reset_port(design.profile))]
    return pins + [Port(name=s.name, direction=TURNED[s.direction], width=s.width, doc=s.doc) for s in signals]


def checker_name(design):
    """Module name of the checker of the array port."""
    return f"{design.top}_port_checker"


def checker_files(design):
    """Verilog of the checker of the array port: {"<module>.v": text}, the checker first."""
    return emit(PortChecker(design), name=checker_name(design), profile=design.profile)


def tile_text(design, ports):
    """Verilog of the example: the controller `ports` belong to, wired to its array."""
    pins = array_pins(design)
    between = {pin.name for pin in pins} - {"clk", reset_port(design.profile)}
    return render(
        "tile.v.j2",
        top=design.top,
        array=array_name(design),
        ports=ports,
        pins=pins,
        host=[port for port in ports if port.name not in between],
        between=[port for port in ports if port.name in between],
    )


def array_stub_text(design):
    """Verilog of the array as a black box."""
    return render("array_stub.v.j2", array=array_name(design), pins=array_pins(design))


def array_model_text(design):
    """Verilog of the behavioural array."""
    array, asic = design.array, design.profile == "asic"
    more, template = {}, "array_model.v.j2"
    ops = [op for op in Op if op is not Op.CALIBRATE]
    if design.verified:
        template = "array_model_devices.v.j2"
        ops = [Op.FORWARD, Op.READ_ROW, Op.PROGRAM, Op.FORM, Op.ABORT]
        more = {"groups": array.groups, "out_codes": adc_codes(design), "step": device_step(design),
                "serial": array.read == "bit-serial"}  # fmt: skip
    if design.carried:
        template = "array_model_hybrid.v.j2"
        ops = [Op.FORWARD, Op.BACKWARD, Op.READ_ROW, Op.PROGRAM, Op.ABORT]
        bits = design.hybrid.bits if design.cells_array else 0
        more = {"groups": array.groups, "step": device_step(design), "word_bits": adc_bits(design),
                "slot_columns": slot_columns(design), "cells": bits * array.columns, "group_cells": bits * array.lanes,
                "array_l": ArrayId.L.value}  # fmt: skip
    if design.pulsed:
        template = "array_model_train.v.j2"
        more = {"arrays": 2 if design.transfers else 1, "depth": outstanding(design), "array_a": ArrayId.A.value}
    return render(
        template,
        array=array_name(design),
        pins=array_pins(design),
        scale=code_bits(design) - (0 if design.verified else 1),
        rows=array.rows,
        columns=array.columns,
        devices=array.device_columns,
        differential=array.differential,
        lanes=array.lanes,
        lines=max(array.row_words, array.groups) * array.lanes,
        code=code_bits(design),
        adc=design.formats.adc,
        ops=ops,
        row_bits=row_bits(design),
        op_bits=OP_BITS,
        ok=Status.OK.value,
        aborted=Status.ABORTED.value,
        abort_tag=ABORT_TAG,
        in_reset="!rst_n" if asic else "rst",
        or_reset=", negedge rst_n" if asic else "",
        **more,
    )


def smoke_text(design, ports):
    """Verilog of the smoke test, expected numbers included."""
    table, reset = register_table(design), reset_port(design.profile)
    if design.verified or design.carried:
        wanted = (expected_of_verify if design.verified else expected_of_carries)(design)
    else:
        wanted = expected_of_train(design, table) if design.pulsed else expected(design)
    period = period_ps(design.clock_mhz)
    array = {signal.name for signal in port_signals(design)}
    status = find(table, "STATUS")
    return render(
        "smoke.v.j2",
        top=design.top,
        reset=reset,
        active=int(reset == "rst"),
        host=[port for port in ports if port.name not in array],
        half_period=nanoseconds(period // 2),
        checker=checker_name(design),
        rules=len(RULES),
        watched=[port for port in ports if port.name in array],
        registers={register.name: register.offset for register in table},
        idle_bit=next(field.low for field in status.fields if field.name == "idle"),
        id=ID,
        rows=design.array.rows,
        columns=len(wanted["weights"][0]),
        lanes=adc_codes(design),
        verified=design.verified or design.carried,
        update=_hex(User(op=FrameOp.UPDATE)),
        update_codes=frame_codes(design, FrameOp.UPDATE),
        theta=carry_change(design) if design.carried else design.update.threshold,
        update_columns=design.array.columns,
        stream_codes=design.stream_codes,
        slot=slot_bits(design),
        result=result_bits(design),
        x_code=x_code(design),
        d_code=-1,
        update_x=_hex(User(op=FrameOp.UPDATE_X, exponent=127)),
        pulsed=design.pulsed,
        settings=settings(design, table),
        update_d=_hex(User(op=FrameOp.UPDATE_D)),
        program=_hex(User(op=FrameOp.PROGRAM)),
        read_row=_hex(User(op=FrameOp.READ_ROW)),
        counter="TRAIN_" if design.pulsed else "",
        pulses=wanted["pulses"],
        weights=[_packed(row) for row in wanted["weights"]],
        checked=sorted({0, min(1, design.array.rows - 1), design.array.rows - 1}),
        limit_cycles=limit_cycles(design),
    )


def x_code(design):
    """The input code that the smoke test sends: full scale."""
    return 2 ** (design.formats.x - 1) - 1


STRONGEST = {"TRAIN_RATE": 2**15 - 1, "TRANSFER_EVERY": 1, "THRESHOLD": 1, "WARMUP": 0}
"""Registers with which one vector fires the strongest train and moves the weights of a row; THRESHOLD is theta."""


def settings(design, table):
    """Registers that the smoke test writes: {name: value}."""
    if not design.pulsed:
        return {} if design.streamed else {"PROGRAM_EVERY": 0}
    words = STRONGEST | ({"THRESHOLD": 0} if design.update.threshold_power_of_two else {})
    return {register.name: words[register.name] for register in table if register.name in words}


def expected(design):
    """Pulses issued in all, and the codes read back of all weights, in the smoke test.

    Its d is -1 and its exponent the largest, so a term is the largest code shifted left by 15, clamped.
    """
    array, update = design.array, design.update
    term = min(x_code(design) << 15, 2 ** (design.formats.accumulator - 1) - 1)
    pulses = min(update.max_pulses, term // update.threshold)
    devices = 2 if array.pair == "push-pull" else 1
    adc_high = 2 ** (design.formats.adc - 1) - 1
    weights = [[0] * array.columns for _ in range(array.rows)]
    weights[0] = weights[-1] = [min(pulses * devices, adc_high)] * array.columns
    return {"pulses": pulses * devices * array.columns * min(array.rows, 2), "weights": weights}


def expected_of_train(design, table):
    """The same with pulse trains, in whose place slots are counted.

    Of the train almost all slots are filled: the rule of `scale` and the streams decide, as model and hardware start.
    """
    rows, columns = design.array.rows, design.array.columns
    model = GradientController(design)
    model.configure(**{name.lower(): STRONGEST[name] for name in settings(design, table)})
    x = np.zeros(rows, np.int32)
    x[[0, -1]] = x_code(design)
    array = _Counting(design)
    events = model.update(x, 127, np.full(columns, -1), 0, array)
    slots = sum(len(event.rows) for event in events if isinstance(event, TrainEvent))
    return {"pulses": slots, "weights": array.read(array.weights).tolist()}


def device_step(design):
    """Codes by which a pulse moves a device of the behavioural array: a 32nd of the ADC's range."""
    return max(1, (1 << design.formats.adc) >> 5)


def expected_of_verify(design):
    """The same with write-verify: a change of theta of the first weight, of -theta in the last place of the frame."""
    array = design.array
    changes = np.zeros(frame_codes(design, FrameOp.UPDATE), np.int64)
    changes[-1], changes[0] = -design.update.threshold, design.update.threshold
    model, devices = StreamController(design), _Devices(design)
    model.update(changes.reshape(array.rows, -1)[:, : array.columns])
    model.program(devices)
    return {"pulses": model.verify.counts["sets"] + model.verify.counts["resets"], "weights": devices.codes.tolist()}


def carry_change(design):
    """A change that makes a carry of a weight whose L is 0, or the largest there is."""
    return min(design.hybrid.scale << design.formats.fraction, (1 << (design.formats.accumulator - 1)) - 1)


def expected_of_carries(design):
    """The same with hybrid weights: such a change of the first weight, its opposite in the last place of the frame."""
    array = design.array
    changes = np.zeros(frame_codes(design, FrameOp.UPDATE), np.int64)
    changes[-1], changes[0] = -carry_change(design), carry_change(design)
    model, devices, cells = HybridController(design), _Devices(design), _Cells(design)
    model.update(changes.reshape(array.rows, -1)[:, : array.columns], cells)
    model.batch()
    model.drain(devices)
    return {"pulses": cells.pulses + devices.pulses, "weights": devices.codes.tolist()}


class _Cells:
    """Array L of the behavioural array: what `HybridController` drives."""

    def __init__(self, design):
        self.bits = np.zeros((design.array.rows, design.array.columns * design.hybrid.bits), np.int64)
        self.pulses = 0

    def sense_row(self, row, groups):
        return self.bits[row]

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        self.bits[row] = np.where(columns, int(direction == SET), self.bits[row])
        self.pulses += int(columns.sum())


class _Devices:
    """The behavioural array: what `StreamController` drives, with codes for conductances."""

    def __init__(self, design):
        self.design = design
        self.codes = np.zeros((design.array.rows, design.array.device_columns), np.int64)
        self.pulses = 0

    def sense_row(self, row, groups):
        return np.where(np.repeat(groups, adc_codes(self.design))[: self.codes.shape[1]], self.codes[row], 0)

    def pulse_row(self, row, columns, *, direction, amplitude, form=False):
        top = (1 << self.design.formats.adc) - 1
        step = device_step(self.design) * (1 if direction == SET else -1)
        if self.design.carried and direction != SET:
            step = -top  # a RESET pulse takes a device to the bottom
        self.pulses += int(columns.sum())
        self.codes[row] = np.where(columns, np.clip(self.codes[row] + step, 0, top), self.codes[row])


class _Counting:
    """The behavioural array: what `GradientController` drives, with integers for conductances."""

    def __init__(self, design):
        self.design = design
        self.a, self.weights = (np.zeros((design.array.rows, design.array.columns), np.int64) for _ in range(2))

    def train(self, x_bits, d_bits, x_sign, d_sign):
        trained = self.a if self.design.transfers else self.weights
        both = x_bits[:, None] & d_bits[None, :]
        hits = np.array([[int(word).bit_count() for word in row] for row in both])
        trained -= hits * np.multiply.outer(x_sign.astype(np.int64), d_sign.astype(np.int64))
        return int(hits.sum())

    def read(self, cells):
        """Codes of a read."""
        half = 1 << (self.design.formats.adc - 1)
        return np.clip(cells, -half, half - 1)

    def read_row(self, row):
        return self.read(self.a[row])

    def program_row(self, row, counts):
        self.weights[row] += counts
        return int(np.abs(counts).sum())


def limit_cycles(design):
    """Clock cycles after which the smoke test has failed: ten times what its parts take, and some."""
    array, pulse, train = design.array, design.pulse, design.train
    slots = 4 * (design.update.max_pulses + 1) * (max(pulse.width_set, pulse.width_reset) + pulse.guard)
    if design.verified or design.carried:
        verify, reads = design.verify, (array.groups + 100) << design.verify.reads_log2
        steps = ((verify.set_stop - verify.set_start) // verify.set_step,
                 (verify.reset_stop - verify.reset_start) // verify.reset_step)  # fmt: skip
        pulses = 2 * verify.cycles * (sum(steps) + 2)
        slots += pulses * (max(pulse.width_set, pulse.width_reset) + pulse.guard + reads)
    if design.pulsed:
        slots += 4 * train.slots * (train.width + train.guard)
    sweeps = 8 * array.rows * array.groups + 8 * (array.rows + array.columns)
    return min(10 * (sweeps + slots + 1000), 2**31 - 1)


def _packed(codes):
    """Codes as one Verilog constant of 32 bits each, the first lowest."""
    word = sum((code & 0xFFFFFFFF) << 32 * place for place, code in enumerate(codes))
    return f"{32 * len(codes)}'h{word:x}"


def _hex(user):
    return f"32'h{user.word():08x}"
