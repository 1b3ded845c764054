"""What stands around a generated controller: an example of an instance, the array as stub and as model, a smoke test.

All is plain Verilog for any simulator. The array model follows the array port with integer conductances; the smoke test
drives the tile's pins and compares with numbers worked out here by the rules of `crosstrain_model`.
"""

from crosstrain_hdl.emit import emit, reset_port
from crosstrain_hdl.generate_flow import nanoseconds, period_ps, render
from crosstrain_hdl.generate_ports import Port
from crosstrain_hdl.port_checker import PortChecker
from crosstrain_model.frames import FrameOp, User, result_bits, slot_bits
from crosstrain_model.port import ABORT_TAG, OP_BITS, Op, Status, code_bits, port_signals, row_bits
from crosstrain_model.port_rules import RULES
from crosstrain_model.registers import ID, find, register_table

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
    return render(
        "array_model.v.j2",
        array=array_name(design),
        pins=array_pins(design),
        scale=code_bits(design) - 1,
        rows=array.rows,
        columns=array.columns,
        devices=array.device_columns,
        differential=array.differential,
        lanes=array.lanes,
        lines=max(array.row_words, array.groups) * array.lanes,
        code=code_bits(design),
        adc=design.formats.adc,
        ops=[op for op in Op if op is not Op.CALIBRATE],
        row_bits=row_bits(design),
        op_bits=OP_BITS,
        ok=Status.OK.value,
        aborted=Status.ABORTED.value,
        abort_tag=ABORT_TAG,
        in_reset="!rst_n" if asic else "rst",
        or_reset=", negedge rst_n" if asic else "",
    )


def smoke_text(design, ports):
    """Verilog of the smoke test, expected numbers included."""
    table, reset = register_table(design), reset_port(design.profile)
    pulse_count, weight = expected(design)
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
        columns=design.array.columns,
        lanes=design.array.lanes,
        stream_codes=design.stream_codes,
        slot=slot_bits(design),
        result=result_bits(design),
        x_code=x_code(design),
        d_code=-1,
        update_x=_hex(User(op=FrameOp.UPDATE_X, exponent=127)),
        update_d=_hex(User(op=FrameOp.UPDATE_D)),
        program=_hex(User(op=FrameOp.PROGRAM)),
        read_row=_hex(User(op=FrameOp.READ_ROW)),
        pulses=pulse_count,
        weight=weight,
        limit_cycles=limit_cycles(design),
    )


def x_code(design):
    """The input code that the smoke test sends: full scale."""
    return 2 ** (design.formats.x - 1) - 1


def expected(design):
    """Pulses issued in all, and the code read back of a programmed weight, in the smoke test.

    Its d is -1 and its exponent the largest, so a term is the largest code shifted left by 15, clamped.
    """
    array, update = design.array, design.update
    term = min(x_code(design) << 15, 2 ** (design.formats.accumulator - 1) - 1)
    pulses = min(update.max_pulses, term // update.threshold)
    devices = 2 if array.pair == "push-pull" else 1
    adc_high = 2 ** (design.formats.adc - 1) - 1
    return pulses * devices * array.columns * min(array.rows, 2), min(pulses * devices, adc_high)


def limit_cycles(design):
    """Clock cycles after which the smoke test has failed: ten times what its parts take, and some."""
    array, pulse = design.array, design.pulse
    slot = max(pulse.width_set, pulse.width_reset) + pulse.guard
    sweeps = 8 * array.rows * array.groups + 8 * (array.rows + array.columns)
    return min(10 * (sweeps + 4 * slot * (design.update.max_pulses + 1) + 1000), 2**31 - 1)


def _hex(user):
    return f"32'h{user.word():08x}"
