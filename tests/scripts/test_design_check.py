"""Designs whose fields are in order and which still cannot do their work: one line, exit status 2, nothing begun."""

import argparse
import re

import pytest

from crosstrain.cli import main
from crosstrain.design_check import check_design
from crosstrain_model.design_file import load_design


@pytest.mark.parametrize("command", [("generate", "-o", "out"), ("cosim",), ("train", "-o", "run")], ids=lambda c: c[0])
def test_streams_that_rows_and_columns_share_are_refused(tmp_path, capsys, command):
    name, *rest = command
    assert main([name, "agad-8", "--set", "random.columns=rows", *rest]) == 2
    out, err = capsys.readouterr()
    wanted = r'crosstrain: agad-8: random\.columns = "rows": must be own, .*: .* \d\.\d+, must be at most \d\.\d+\n'
    assert out == ""
    assert re.fullmatch(wanted, err), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["random.columns=rows-reversed", "random.row_width=8", "random.leap=3"])
def test_other_streams_that_are_refused(override):
    field = override.partition("=")[0]
    with pytest.raises(ValueError, match=rf"^sgd-8: {re.escape(field)} = "):
        check_design(argparse.Namespace(source="sgd-8", design=load_design("sgd-8", [override])))


def test_designs_without_trains_do_not_mind():
    check_design(argparse.Namespace(source="mp-8", design=load_design("mp-8", ["random.columns=rows"])))
