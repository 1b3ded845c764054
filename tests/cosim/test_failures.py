"""What is said of a test that failed: its errors, where they were raised, and pins that are neither 0 nor 1."""

import json

import pytest

from crosstrain.cli import main
from crosstrain_cosim.failures import failure, stopped
from crosstrain_cosim.regression import limit_s
from crosstrain_cosim.stations import controller_unit, station_unit
from crosstrain_model.design_file import load_design

GROUP = """\
  | ExceptionGroup: Multiple exceptions in test (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/home/us/crosstrain_cosim/streams.py", line 55, in step
    |     part.edge()
    |   File "/home/us/crosstrain_cosim/pace.py", line 30, in edge
    |     if int(dut.arr_slot_valid.value) and int(dut.arr_slot_ready.value) and self.open:
    |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    |   File "/venv/lib/python3.11/site-packages/cocotb/types/_logic.py", line 255, in __int__
    |     raise ValueError(f"Cannot convert {self!r} to int")
    | ValueError: Cannot convert Logic('X') to int
    +---------------- 2 ----------------
    | RuntimeError: Task was cancelled, but exited normally. Did you forget to re-raise the CancelledError?
    +---------------- 3 ----------------
    | Traceback (most recent call last):
    |   File "/venv/lib/python3.11/site-packages/cocotbext/axi/stream.py", line 273, in _run
    |     if (ready_sample and valid_sample) or (not valid_sample):
    |   File "/home/us/crosstrain_cosim/frames.py", line 7, in beat
    |     raise KeyError(self.beat)
    | KeyError: 3
    +------------------------------------
"""
PACE = "neither 0 nor 1: arr_slot_valid: Cannot convert Logic('X') to int (pace.py, line 30)"
AXI = """\
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/cocotbext/axi/stream.py", line 273, in _run
    if (ready_sample and valid_sample) or (not valid_sample):
  File "/venv/lib/python3.11/site-packages/cocotb/types/_logic.py", line 248, in __bool__
    raise ValueError(f"Cannot convert {self!r} to bool")
ValueError: Can't convert LogicArray to int: it contains non-0/1 values
"""
AXI_SAYS = "Can't convert LogicArray to int: it contains non-0/1 values (cocotbext/axi/stream.py, line 273)"


@pytest.mark.parametrize(
    ("message", "text", "unknown", "said"),
    [
        ("Multiple exceptions in test (3 sub-exceptions)", GROUP, [], f"{PACE}; KeyError: 3 (frames.py, line 7)"),
        ("Multiple", GROUP, ["irq", "arr_slot_valid"], f"{PACE}; KeyError: 3 (frames.py, line 7)"),
        ("Can't ...", AXI, ["s_axil_awready"], f"neither 0 nor 1: s_axil_awready: {AXI_SAYS}"),
        ("Can't ...", AXI, list("abcdef"), f"neither 0 nor 1: a, b, c, d and 2 more: {AXI_SAYS}"),
        ("Can't ...", AXI, [], f"ValueError: {AXI_SAYS}"),
        ("", "cocotb.triggers.SimTimeoutError\n", [], "SimTimeoutError"),
        ("2 lines", 'Traceback:\n  File "/a/b.py", line 1, in f\n    f()\nAssertionError: 2\nlines\n', [], "2 lines"),
        ("", "", [], "no reason given"),
    ],
)
def test_the_line_of_a_test(message, text, unknown, said):
    assert failure(message, text, unknown) == said


def test_a_test_that_found_differences_was_not_stopped():
    assert not stopped("3 mismatches, first: transfer read at row 1: hardware 2, model 3")
    assert stopped("the test compared nothing")


@pytest.mark.parametrize("waves", [False, True])
def test_an_open_pin_is_named(tmp_path, capsys, waves):
    texts = dict(controller_unit(load_design("mp-8"), checked=False).texts)
    texts["mp_8.v"], count = texts["mp_8.v"].replace(".arr_slot_valid(arr_slot_valid)", ".arr_slot_valid()"), 0
    for name, text in texts.items():
        count += ".arr_slot_valid()" in text
        (tmp_path / name).write_text(text)
    assert count == 1
    files = [str(tmp_path / name) for name in texts]
    more = ["--waves", str(tmp_path / "w")] if waves else []
    out = tmp_path / "r.json"
    assert main(["cosim", "mp-8", "--simulator", "icarus", "--rtl", *files, *more, "--json", str(out)]) == 1
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(out.read_text())
    tests = result["tests"]
    assert lines[-1] == f"FAILED: {tests} of {tests} tests ({tests} stopped by an error, 0 mismatches)"
    log = tmp_path / "w" / "icarus" / "mp_8_bench.log"
    assert lines[-2] == (f"log: {log}" if waves else "--waves DIR keeps the log and the waves")
    assert log.is_file() == waves
    (bench,) = result["benches"]
    assert len(bench["messages"]) == tests == result["stopped"]
    assert all("neither 0 nor 1: arr_slot_valid" in message for message in bench["messages"])
    assert any("registers, " in line and "neither 0 nor 1: arr_slot_valid" in line for line in lines)


def test_a_bench_without_an_end_is_ended():
    design = load_design("mp-8")
    result = station_unit(design, "accumulator").run(design, timeout_s=0.02)
    assert not result.ok
    assert any("no end after 0.02 s" in message for message in result.messages)


@pytest.mark.parametrize(("preset", "seconds"), [("mp-8", 900), ("hic-64", 900), ("hic-256", 16 * 900)])
def test_larger_tiles_have_more_time(preset, seconds):
    assert limit_s(load_design(preset)) == seconds
