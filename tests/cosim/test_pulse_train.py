"""The bench of pulse trains is green on designs of every kind, and red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Bus, Design, Formats, Random, Train


def design(rows, columns, lanes, *, scheme="agad", train=None, random=None, **more):
    return Design(
        name="a", scheme=scheme, array=Array(rows=rows, columns=columns, lanes=lanes),
        train=Train(**train or {}), random=Random(**random or {}), **more,
    )  # fmt: skip


DESIGNS = {
    "8x8": design(8, 8, 4),
    "13x7": design(13, 7, 3, profile="asic", formats=Formats(x=5, d=9), train={"slots": 7}),
    "xoshiro": design(8, 8, 4, random={"generator": "xoshiro128++", "bits": 10}, bus=Bus(stream_codes=8)),
    "separate": design(9, 6, 2, scheme="sgd", profile="asic", train={"polarity": "separate", "slots": 31}),
    "plain": design(5, 8, 4, random={"permute": False, "columns": "rows-reversed"}, bus=Bus(stream_codes=1)),
    "1x1": design(1, 1, 1, train={"slots": 1}),
}


def run(name, *, broken=None, **options):
    unit = station_unit(DESIGNS[name], "pulse_train")
    return unit.run(DESIGNS[name], seed=3, texts=broken and broken(unit.texts, unit.top), **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_on_icarus(name):
    result = run(name)
    assert result.ok, result.messages
    assert result.tests == 5


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, "13x7")


NETS = ["raises", "rows_chopped", "drawn_final", "give_up", "silent", "n_slots"]


@pytest.mark.parametrize("net", NETS)
def test_broken_verilog_turns_red(invert, net):
    result = run("8x8", broken=lambda texts, top: invert(texts, top, net), only="ended_early")
    assert not result.ok
    assert result.failed > 0
    assert result.messages


SUBTLE = {
    "one line's permutation": (r"(rows_differs_6 = \{ rows_drawn\[)5(\])", r"\g<1>2\2"),
    "one plane of thresholds": (r"(columns_differs_5 = .* \^ columns_threshold\[)47:40", r"\g<1>55:48"),
    "replay of the columns": (r"(assign columns_stream_restore = )[^;]+", r"\g<1>1'b0"),
    "draws of a command that has ended": (r"(assign columns_stream_step = [^;]+)", r"\1 & ~quiet"),
    "signs of codes": (r"(fill_rows_negative_3_0 <= )fill_product_negative", r"\g<1>4'h0"),
}
"""What of the rule is broken: the text, and what takes its place."""


@pytest.mark.parametrize("what", SUBTLE)
def test_subtly_broken_verilog_turns_red(what, replaced):
    result = run("8x8", broken=lambda texts, top: replaced(texts, top, *SUBTLE[what]), only="at_random|ended_early")
    assert result.mismatches > 0, result
    assert result.messages
