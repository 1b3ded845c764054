"""The controller's regression: green on both simulators, red on a broken station or a broken port."""

import pytest

from crosstrain_cosim.stations import controller_unit


def run(design, simulator="icarus", **options):
    return controller_unit(design).run(design, simulator, seed=2, effort=0.3, **options)


def test_on_icarus(mp8):
    result = run(mp8)
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
    assert not run(mp8, texts=texts, only=test).ok


@pytest.mark.parametrize(
    ("module", "found", "instead", "test", "said"),
    [
        (
            "mp8_accumulator",
            r"(newest_\d+ = )from_s2 \?",
            r"\g<1>1'h0 ?",
            "same_word_in_a_row",
            "accumulator at vector",
        ),
        ("mp8_outer_product", r"10'h3f0", r"10'h3ef", "shifts", "accumulator at vector"),
        ("mp8", r"(assign disturbed = )[^;]+;", r"\g<1>1'h0;", "window_under_work", "MEM_DATA after work"),
    ],
)
def test_broken_edge_turns_red(mp8, module, found, instead, test, said, replaced):
    texts = replaced(controller_unit(mp8).texts, module, found, instead)
    result = run(mp8, texts=texts, only=test)
    assert not result.ok
    assert said in result.messages[0]
