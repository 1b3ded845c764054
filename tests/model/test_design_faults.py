"""One line for everything that can be wrong with a design file, its name or an override."""

from pathlib import Path

import pytest

from crosstrain_model.design import Design
from crosstrain_model.design_file import DesignError, load_design, preset_names


def refusal(source, overrides=()) -> str:
    """The message with which a design is refused: always one line."""
    with pytest.raises(DesignError) as refused:
        load_design(str(source), overrides)
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 400
    return message


def from_text(folder: Path, text: str | bytes) -> str:
    """Path of a design file in the folder worked in."""
    (folder / "d.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "d.toml"


# --- what is wrong with a file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[array]\nlanes = 9\n", "array.lanes = 9: must be 1..8 (array.columns)"),
        ("[array]\ncolumns = 2\n", "array.lanes = 4: must be 1..2 (array.columns); lanes is the default here"),
        ("[array]\nrows = 8.0\n", "array.rows = 8.0: must be an integer"),
        ('[array]\nrows = "8"\n', 'array.rows = "8": must be an integer'),
        ("[array]\nrows = [8]\n", "array.rows = [8]: must be an integer"),
        ("[array.rows]\nx = 1\n", "array.rows = {'x': 1}: must be an integer"),
        ("[array]\nrows = 2020-01-01\n", "array.rows = 2020-01-01: must be an integer"),
        ("[array]\nrows = true\n", "array.rows = true: must be an integer"),
        ("[array]\nrows = 0x" + "f" * 5000, "array.rows = (20000-bit integer): must be 1..1024"),
        ("[device]\nsigma_dd = nan\n", "device.sigma_dd = nan: must be 0.0..1.0"),
        ("[device]\nsigma_dd = true\n", "device.sigma_dd = true: must be a number"),
        ("[update]\nthreshold = 0\n", "update.threshold = 0: must be 1..2147483647"),
        ("[update]\nthreshold = 40000\n", "update.threshold = 40000: must be 1..32767 (formats.accumulator)"),
        ("[formats]\nx = 13\n", "formats.x = 13: must be 2..12"),
        (
            "[pulse]\nwidth_limit = 5\n",
            "pulse.width_set = 10: must be 1..5 (pulse.width_limit); width_set is the default here",
        ),
        ("ledger = 1\n", "ledger = 1: must be true or false"),
        ("array = 3\n", "array = 3: is a section: must be a table, as [array]"),
        ("[[array]]\nrows = 8\n", "array = [{'rows': 8}]: is a section: must be a table, as [array]"),
        ('name = "8\\n"\n', 'name = "8\\n": must be letters, digits, - and _, not starting with a digit, at most 64'),
        ("[name]\n", "name = {}: must be letters, digits, - and _, not starting with a digit, at most 64"),
        ("schema = 'mp'\n", 'schema = "mp": unknown key; nearest is scheme'),
        ("rows = 8\n", "rows = 8: unknown key; nearest is array.rows"),
        ("[array]\nrow = 8\n", "array.row = 8: unknown key; nearest is array.rows"),
        ("[array]\nthreshold = 8\n", "array.threshold = 8: unknown key; nearest is update.threshold"),
        ("[arrays]\nrows = 8\n", "arrays: unknown section; nearest is array"),
        ("[array.size]\nrows = 8\n", "array.size: unknown section; nearest is array.rows"),
        ('"a\\u0007b" = 8\n', "a\\x07b = 8: unknown key; nearest is"),
        ("rows\n", "line 1: Expected '=' after a key in a key/value pair"),
        ("\n\n[array\nrows = 8\n", "line 3: Expected ']' at the end of a table declaration"),
        ("[array]\nrows = 8\nrows = 9\n", "line 3: Cannot overwrite a value"),
        ("name = 'mp\n", "line 1: "),
        ("[array]\nrows =", "line 2: Invalid value"),
        ("[array]\nrows = " + "9" * 5000, "a number is too long or brackets are too deep"),
        ("x = " + "[" * 50000, "a number is too long or brackets are too deep"),
        (b"# fine\nname = '\xff'\n", "line 2: not UTF-8 text (byte 0xff)"),
        ("name = 'a'\n".encode("utf-16"), "line 1: not UTF-8 text (byte 0xff)"),
        (b"#" * (2**20 + 1), "more than 1048576 bytes: too large for a design file"),
    ],
    ids=lambda value: repr(value[:25]),
)
def test_one_line_for_what_is_wrong(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    told = refusal(from_text(tmp_path, text))
    assert told.startswith("d.toml: " + message) if message.endswith((": ", "is")) else told == "d.toml: " + message


def test_a_byte_order_mark_and_the_ends_of_windows_lines_are_fine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_design(from_text(tmp_path, b"\xef\xbb\xbfname = 'a'\r\n[array]\r\nrows = 9\r\n")).array.rows == 9
    assert load_design(from_text(tmp_path, "")) == Design()


# --- what is wrong with a source -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mp-9", f"mp-9: no such preset or file; nearest preset is mp-8 (of {len(preset_names())})"),
        ("MP512", f"MP512: no such preset or file; nearest preset is mp-512 (of {len(preset_names())})"),
        ("", ": no such preset or file; nearest preset is "),
        ("nothing.toml", "nothing.toml: No such file or directory"),
        ("no/where", "no/where: No such file or directory"),
        (".", ".: is a folder: must be a TOML file"),
        ("folder.toml", "folder.toml: is a folder: must be a TOML file"),
        ("/dev/zero", "/dev/zero: more than 1048576 bytes: too large for a design file"),
        ("a\0b", "a\\x00b: no such preset or file; nearest preset is "),
        ("a\0b.toml", "a\\x00b.toml: embedded null byte"),
        ("loop.toml", "loop.toml: Too many levels of symbolic links"),
        ("x" * 300, "xxxxx"),
        ("x" * 300 + ".toml", "xxxxx"),
    ],
)
def test_sources(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    told = refusal(source)
    assert told.startswith(message) if message.endswith(("is ", "xxxxx")) else told == message


def test_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", "secret.toml")

    monkeypatch.setattr(Path, "open", refuse)  # root reads everything
    assert refusal("secret.toml") == "secret.toml: Permission denied"


# --- what is wrong with an override ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("array.rows", "--set array.rows: must be KEY=VALUE, as array.rows=13"),
        ("=3", "--set =3: must be KEY=VALUE, as array.rows=13"),
        ("", "--set : must be KEY=VALUE, as array.rows=13"),
        ("array=3", "--set array=3: is a section: name a field of it, as array.rows"),
        ("array.rowz=3", "--set array.rowz=3: unknown key; nearest is array.rows"),
        ("rows=3", "--set rows=3: unknown key; nearest is array.rows"),
        ("array.rows.x=3", "--set array.rows.x=3: unknown key; nearest is "),
        ("array.rows=", 'mp-8: array.rows = "": must be an integer'),
        ("array.rows=1O", 'mp-8: array.rows = "1O": must be an integer'),
        ("array.rows=13.0", "mp-8: array.rows = 13.0: must be an integer"),
        ("array.rows=[8]", "mp-8: array.rows = [8]: must be an integer"),
        ("array.rows=8\nseed = 3", 'mp-8: array.rows = "8\\nseed = 3": must be an integer'),
        ("array.rows=" + "9" * 5000, 'mp-8: array.rows = "9999'),
        ("array.rows=" + "[" * 50000, 'mp-8: array.rows = "[[[['),
        ("array.lanes=9", "mp-8: array.lanes = 9: must be 1..8 (array.columns)"),
        ("profile=asicc", 'mp-8: profile = "asicc": must be one of fpga, asic'),
        ("profile=", 'mp-8: profile = "": must be one of fpga, asic'),
        ("update.threshold=0", "mp-8: update.threshold = 0: must be 1..2147483647"),
        ("seed=-1", "mp-8: seed = -1: must be 0..4294967295"),
    ],
)
def test_overrides_that_are_refused(override, message):
    told = refusal("mp-8", [override])
    assert told.startswith(message) if message.endswith(("is ", "9", "[")) else told == message


def test_an_override_into_a_section_that_is_no_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = refusal(from_text(tmp_path, "array = 3\n"), ["array.rows=4"])
    assert told == "d.toml: array = 3: is a section: must be a table, as [array]"
