"""A scheme that has no Verilog says so in one line, in every command that needs it."""

import pytest

from crosstrain.__main__ import main
from crosstrain_hdl.tops import controller
from crosstrain_model.design_file import load_design
from crosstrain_model.errors import UserError


@pytest.mark.parametrize(
    "arguments",
    [["generate", "hic-8", "-o", "{}/build"], ["cosim", "hic-8"], ["train", "hic-8", "--through", "rtl"]],
    ids=lambda arguments: arguments[0],
)
def test_commands(arguments, tmp_path, capsys):
    assert main([argument.format(tmp_path) for argument in arguments]) == 2
    assert capsys.readouterr() == ("", "crosstrain: hic-8: scheme hic has no Verilog yet: the model alone\n")
    assert not list(tmp_path.iterdir())


def test_the_component():
    with pytest.raises(UserError, match='^scheme = "hic": has no Verilog yet: the model alone$'):
        controller(load_design("hic-8"))
