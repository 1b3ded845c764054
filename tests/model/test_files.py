"""Files and folders are whole or not there, and one line says why not."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crosstrain_model.files import (
    FileError,
    check_replaceable,
    check_writable,
    fresh_folder,
    write_bytes_atomic,
    write_text_atomic,
)

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def tree(folder: Path) -> dict[str, str | None]:
    """Every path below `folder` with a file's text: nothing temporary may stay behind."""
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def refusal(work, *args) -> str:
    with pytest.raises(FileError) as refused:
        work(*args)
    assert isinstance(refused.value, OSError)
    assert str(refused.value).isprintable()
    return str(refused.value)


def full_after(monkeypatch, count: int) -> None:
    """From now on the disk takes `count` bytes more."""
    left = [count]
    write = os.write

    def limited(descriptor, data):
        if left[0] == 0:
            raise NO_SPACE
        taken = min(len(data), left[0])
        left[0] -= taken
        return write(descriptor, bytes(data[:taken]))

    monkeypatch.setattr(os, "write", limited)


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 300])
def test_writing_and_replacing(tmp_path, data):
    path = tmp_path / "a.bin"
    for content in (data, data + b"more"):
        write_bytes_atomic(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_text_is_utf8_and_the_mode_is_the_users(tmp_path):
    path = tmp_path / ("ü" * 120)
    write_text_atomic(str(path), "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
    write_bytes_atomic(tmp_path / "a", bytes(100))
    assert (tmp_path / "a").read_bytes() == bytes(100)


@pytest.mark.parametrize("before", [None, "old\n"])
@pytest.mark.parametrize("room", [0, 5])
def test_a_full_disk_changes_nothing(tmp_path, monkeypatch, before, room):
    path = tmp_path / "a.json"
    if before:
        path.write_text(before)
    state = tree(tmp_path)
    full_after(monkeypatch, room)
    assert refusal(write_text_atomic, path, "a longer text") == f"{path}: No space left on device"
    assert tree(tmp_path) == state


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_changes_nothing(tmp_path, monkeypatch, error):
    (tmp_path / "a").write_text("old")

    def interrupted(*_args):
        raise error

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(error):
        write_text_atomic(tmp_path / "a", "new")
    assert tree(tmp_path) == {"a": "old"}


def test_what_is_no_regular_file_stays_what_it_is(tmp_path):
    assert refusal(write_text_atomic, "/dev/full", "x") == "/dev/full: No space left on device"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    write_text_atomic("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_text_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize("where", ["pipe", "file"])
def test_standard_output_is_appended_to(tmp_path, where):
    program = (
        "from crosstrain_model.files import write_text_atomic\n"
        "print('first', flush=True); write_text_atomic('/dev/stdout', 'second\\n'); print('third')"
    )
    if where == "pipe":
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    else:
        with (tmp_path / "out").open("a") as out:
            subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
        told = (tmp_path / "out").read_text()
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert told == "first\nsecond\nthird\n"


def cases(folder: Path) -> dict[str, str]:
    """Places where no file can be, with the reason told."""
    (folder / "dir").mkdir()
    (folder / "file").write_text("text")
    (folder / "loop").symlink_to("loop")
    return {
        "dir": "is a folder: must be a file",
        "no/where": f"the folder {folder}/no does not exist",
        "file/below": "Not a directory",
        "loop/below": f"the folder {folder}/loop does not exist",
        "a" * 300: "File name too long",
        "zero\0byte": "embedded null byte",
    }


def test_places_where_no_file_can_be(tmp_path):
    for name, reason in cases(tmp_path).items():
        before = tree(tmp_path)
        shown = str(tmp_path / name).replace("\0", "\\x00")
        for work in (check_writable, lambda path: write_text_atomic(path, "x")):
            assert refusal(work, tmp_path / name) == f"{shown}: {reason}"
        assert tree(tmp_path) == before


def test_protection_is_respected(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("/a"))  # root may write anything
    assert refusal(write_text_atomic, tmp_path / "a", "new") == f"{tmp_path}/a: is write-protected"
    monkeypatch.undo()

    def refuse(*_args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(check_writable, tmp_path / "b") == f"{tmp_path}/b: Permission denied"
    assert refusal(check_replaceable, tmp_path / "b") == f"{tmp_path}/b: Permission denied"


def test_checking_leaves_nothing(tmp_path):
    assert check_writable(tmp_path / "a") == check_replaceable(tmp_path / "a") == tmp_path / "a"
    assert tree(tmp_path) == {}


# --- folders ---------------------------------------------------------------------------------------------------


def build(path, marker="manifest.json", **files: str) -> None:
    with fresh_folder(path, marker) as folder:
        assert folder.parent == Path(os.path.realpath(path)).parent
        (folder / "sub").mkdir()
        for name, text in files.items():
            (folder / "sub" / name).write_text(text)
        (folder / "manifest.json").write_text("{}")


def test_a_folder_is_made_and_replaced(tmp_path):
    build(tmp_path / "out", a="1", b="2")
    build(tmp_path / "out/", a="3")
    assert tree(tmp_path) == {"out": None, "out/manifest.json": "{}", "out/sub": None, "out/sub/a": "3"}
    (tmp_path / "empty").mkdir()
    build(tmp_path / "empty", marker=None)
    assert (tmp_path / "empty" / "sub").is_dir()


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    build(tmp_path / "link", a="1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "sub" / "a").read_text() == "1"


@pytest.mark.parametrize("marker", [None, "manifest.json"])
def test_what_is_not_ours_is_left_alone(tmp_path, marker):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    reason = "is not empty and has no manifest.json: not replaced" if marker else "is not empty: not replaced"
    assert refusal(build, tmp_path / "thesis", marker) == f"{tmp_path}/thesis: {reason}"
    assert tree(tmp_path) == {"thesis": None, "thesis/chapter": "years of work"}


def test_places_where_no_folder_can_be(tmp_path, monkeypatch):
    reasons = cases(tmp_path) | {"dir": None, "file": "is a file: must be a folder"}
    for name, reason in reasons.items():
        if reason:
            shown = str(tmp_path / name).replace("\0", "\\x00")
            assert refusal(build, tmp_path / name) == f"{shown}: {reason}"
    monkeypatch.chdir(tmp_path / "dir")
    for place in (".", tmp_path / "dir", ".."):
        assert refusal(build, place) == f"{place}: is the folder worked in: it cannot be replaced"
    assert tree(tmp_path) == {"dir": None, "file": "text", "loop": None}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, FileError("x", "y"), OSError(2, "z")])
def test_an_error_in_the_middle_changes_nothing(tmp_path, old, error):
    if old:
        build(tmp_path / "out", a="old")
    before = tree(tmp_path)

    def half() -> None:
        with fresh_folder(tmp_path / "out", "manifest.json") as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(error if isinstance(error, type) else type(error)) as raised:
        half()
    assert isinstance(error, type) or raised.value is error
    assert tree(tmp_path) == before


def test_a_full_disk_names_the_folder_or_the_file_in_it(tmp_path):
    def fill(name: str | None) -> None:
        with fresh_folder(tmp_path / "out") as folder:
            raise OSError(errno.ENOSPC, "No space left on device", *([str(folder / name)] if name else []))

    assert refusal(fill, None) == f"{tmp_path}/out: No space left on device"
    assert refusal(fill, "rtl/top.v") == f"{tmp_path}/out/rtl/top.v: No space left on device"
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("failing", [1, 2])
def test_when_the_swap_fails_the_old_folder_is_back(tmp_path, monkeypatch, failing):
    build(tmp_path / "out", a="old")
    before = tree(tmp_path)
    rename, calls = os.rename, []

    def broken(source, target):
        calls.append(source)
        if len(calls) == failing:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", broken)
    assert refusal(build, tmp_path / "out") == f"{tmp_path}/out: Input/output error"
    assert tree(tmp_path) == before


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    def race() -> None:
        with fresh_folder(tmp_path / "out", "manifest.json"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine").write_text("kept")

    assert "not replaced" in refusal(race)
    assert tree(tmp_path) == {"out": None, "out/mine": "kept"}
