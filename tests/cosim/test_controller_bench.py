"""The controller's regression: green on both simulators, red on a broken station or a broken port."""

import re

import pytest

from crosstrain_cosim.simulators import run_bench
from crosstrain_cosim.stations import controller_unit


def run(design, simulator, *, texts=None, only=""):
    unit = controller_unit(design)
    return run_bench(
        simulator, texts=texts or unit.texts, top=unit.top, bench=unit.bench, seed=2, settings=unit.settings(design),
        only=only, effort=0.3,
    )  # fmt: skip


def test_on_icarus(mp8):
    result = run(mp8, "icarus")
    assert result.ok, result.messages


def test_on_verilator(designs):
    result = run(designs["one"], "verilator")
    assert result.ok, result.messages


@pytest.mark.parametrize(
    ("module", "net", "test"),
    [
        ("mp8_accumulator", "c_left", "at_random_back_to_back"),
        ("mp8_accumulator", "c_counts", "at_random_back_to_back"),
        ("mp8_pulse", "t_amplitude", "at_random_back_to_back"),
        ("mp8_registers", "irq", "registers"),
        ("mp8_sequencer", "arr_prog_enable", "interlock"),
    ],
)
def test_broken_verilog_turns_red(mp8, invert, module, net, test):
    texts = invert(controller_unit(mp8).texts, module, net)
    assert not run(mp8, "icarus", texts=texts, only=test).ok


@pytest.mark.parametrize(
    ("file", "found", "instead", "test", "said"),
    [
        (
            "mp8_accumulator.v",
            r"(newest_\d+ = )from_s2 \?",
            r"\g<1>1'h0 ?",
            "same_word_in_a_row",
            "accumulator at vector",
        ),
        ("mp8_outer_product.v", r"10'h3f0", r"10'h3ef", "shifts", "accumulator at vector"),
        ("mp8.v", r"(assign disturbed = )[^;]+;", r"\g<1>1'h0;", "window_under_work", "MEM_DATA after work"),
    ],
)
def test_broken_edge_turns_red(mp8, file, found, instead, test, said):
    texts = controller_unit(mp8).texts
    text, count = re.subn(found, instead, texts[file])
    assert count > 0
    result = run(mp8, "icarus", texts={**texts, file: text}, only=test)
    assert not result.ok
    assert said in result.messages[0]
