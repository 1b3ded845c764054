"""The benches of reference and transfer are green on designs that differ in everything, and red on broken Verilog."""

import pytest

from crosstrain_cosim.stations import station_unit
from crosstrain_model.design import Array, Design, Formats, Transfer, Update


def design(scheme, *, rows=5, columns=7, lanes=3, profile="fpga", ledger=False, formats=None, update=None, **transfer):
    return Design(
        name="a", scheme=scheme, profile=profile, ledger=ledger, array=Array(rows=rows, columns=columns, lanes=lanes),
        formats=Formats(**{"adc": 7, "fraction": 4, "accumulator": 14} | (formats or {})),
        update=Update(**{"threshold": 200, "max_pulses": 1} | (update or {})), transfer=Transfer(**transfer),
    )  # fmt: skip


DESIGNS = {
    "agad": design("agad", ledger=True),
    "agad, last": design("agad", memory="last", profile="asic", update={"max_pulses": 3, "remainder": "keep"}),
    "ttv2": design("ttv2", columns=4, lanes=4),
    "ttv2, keep": design("ttv2", update={"remainder": "keep"}, formats={"rounding": "truncate"}),
    "columns too": design("c-ttv2", column_chopper="random", ledger=True),
    "13x7": design("agad", rows=13, profile="asic", ledger=True, update={"max_pulses": 3}),
    "one lane": design("agad", rows=3, columns=2, lanes=1, formats={"rounding": "truncate"}),
    "1x1": design("agad", rows=1, columns=1, lanes=1, profile="asic", formats={"adc": 1, "fraction": 0}),
    "shift": design("c-ttv2", update={"threshold": 64, "threshold_power_of_two": True, "max_pulses": 15}),
    "wide": design("agad", columns=5, lanes=5, formats={"adc": 18, "fraction": 12, "accumulator": 32}),
    "saturating": design("agad", ledger=True, formats={"adc": 18, "fraction": 12, "accumulator": 8},
                         update={"threshold": 127}),
}  # fmt: skip


def run(station, design, *, broken=None, **options):
    unit = station_unit(design, station)
    return unit.run(design, seed=3, texts=broken and broken(unit.texts, unit.top), **options)


@pytest.mark.parametrize("name", DESIGNS)
def test_transfer(name):
    result = run("transfer", DESIGNS[name])
    assert result.ok, result.messages


@pytest.mark.parametrize("name", ["agad", "agad, last", "ttv2", "columns too", "one lane", "1x1", "wide"])
def test_reference(name):
    result = run("reference", DESIGNS[name])
    assert result.ok, result.messages


def test_both_simulators_do_the_same(same_on_both):
    same_on_both(run, "transfer", DESIGNS["13x7"], only="at_random")


def red(result):
    assert not result.ok
    assert result.failed > 0
    assert result.messages


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("columns too", "control_sign_s1"),  # the row's chopper sign
        ("columns too", "rows_n1"),  # and those of the columns
        ("agad", "control_warm_s4"),  # no pulses while warm
        ("agad", "control_flip_s3"),  # P_ref follows on a flip
        ("agad", "c_last"),
        ("agad", "r_valid"),
        ("saturating", "clips_n1"),
        ("13x7", "ledger_z_read"),
    ],
)
def test_broken_transfer_turns_red(name, net, invert):
    red(run("transfer", DESIGNS[name], only="corners|host", broken=lambda texts, top: invert(texts, top, net)))


@pytest.mark.parametrize("net", ["negative_1", "newest_0", "second"])
def test_broken_reference_turns_red(net, invert):
    red(run("reference", DESIGNS["agad"], only="corners", broken=lambda texts, top: invert(texts, top, net)))


def test_a_flip_that_takes_the_old_mean_turns_red(replaced):
    """P_ref must take the P that the flip's own read has made."""
    old = "{reference_before_2, reference_before_1, reference_before_0}"
    rule = r"(u_p_ref\w* \([^;]*\.W0_data\()[^)]*\)", rf"\g<1>{old})"
    red(run("transfer", DESIGNS["agad"], only="corners", broken=lambda texts, top: replaced(texts, top, *rule)))


@pytest.mark.parametrize("name", ["1x1", "one lane"])
def test_a_row_that_does_not_wait_for_itself_turns_red(name, replaced):
    rule = r"(assign control_begins_n\d+ = )control_visit_later\[\d\](?: & \w+)?;", r"\g<1>1'h0;"
    red(run("transfer", DESIGNS[name], only="met_again", broken=lambda texts, top: replaced(texts, top, *rule)))
