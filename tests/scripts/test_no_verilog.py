"""A scheme that cannot be trained through its Verilog says so in one line."""

from crosstrain.__main__ import main


def test_train(tmp_path, capsys):
    assert main(["train", "hic-8", "--through", "rtl"]) == 2
    told = "scheme hic is not trained through its Verilog yet, but through the model alone"
    assert capsys.readouterr() == ("", f"crosstrain: hic-8: {told}\n")
    assert not list(tmp_path.iterdir())
