"""Writing the folder: whole or not at all, and nothing of the user's is lost. And what is counted in the text."""

import errno
import json
import os
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from crosstrain_hdl import generate
from crosstrain_hdl.emit import emit, unit
from crosstrain_hdl.generate import MANIFEST, write
from crosstrain_hdl.generate_counts import instances, memories, state_bits
from crosstrain_hdl.memory import Memory1R1W
from crosstrain_model.design_file import load_design
from crosstrain_model.files import FileError

MP8 = load_design("mp-8")
FILES = {"rtl/mp_8.v": "module mp_8; endmodule\n", MANIFEST: json.dumps({"generator": "crosstrain"})}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Generation itself is tested elsewhere; here it gives two files."""
    monkeypatch.setattr(generate, "generated_files", lambda design, component=None: FILES)


def content(folder):
    """{path: bytes} of everything below a folder, folders too."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_writes_what_is_generated_and_nothing_else(tmp_path):
    folder, files = write(MP8, tmp_path / "build")
    assert (folder, files) == (tmp_path / "build" / "mp-8", FILES)
    assert content(tmp_path) == {
        "build": None, "build/mp-8": None, "build/mp-8/rtl": None,
        **{f"build/mp-8/{path}": text.encode() for path, text in FILES.items()},
    }


def test_an_earlier_folder_is_replaced_whole(tmp_path):
    folder, _ = write(MP8, tmp_path)
    (folder / "rtl" / "old.v").write_text("gone\n")
    write(MP8, tmp_path)
    assert sorted(path for path in content(tmp_path)) == ["mp-8", f"mp-8/{MANIFEST}", "mp-8/rtl", "mp-8/rtl/mp_8.v"]


def foreign_folder(place):
    (place / "mp-8").mkdir(parents=True)
    (place / "mp-8" / "notes.txt").write_text("mine\n")
    return r"is not empty and has no manifest.json"


def foreign_manifest(place):
    (place / "mp-8").mkdir(parents=True)
    (place / "mp-8" / MANIFEST).write_text('{"name": "an extension of a browser"}')
    return r"its manifest.json is not crosstrain's"


def broken_manifest(place):
    (place / "mp-8").mkdir(parents=True)
    (place / "mp-8" / MANIFEST).write_text("[" * 100000)
    return r"its manifest.json is not crosstrain's"


def a_file_for_the_folder(place):
    place.mkdir()
    (place / "mp-8").write_text("mine\n")
    return r"is a file: must be a folder"


def a_file_for_its_parent(place):
    place.write_text("mine\n")
    return r"Not a directory"


def two_levels_missing(place):
    return r"the folder .* does not exist"


BAD_PLACES = [foreign_folder, foreign_manifest, broken_manifest, a_file_for_the_folder, a_file_for_its_parent]


@pytest.mark.parametrize("prepare", [*BAD_PLACES, two_levels_missing])
def test_refused_before_any_work(tmp_path, monkeypatch, prepare):
    place = tmp_path / "build"
    said = prepare(place)
    monkeypatch.setattr(generate, "generated_files", lambda *a, **k: pytest.fail("worked first"))
    before = content(tmp_path)
    with pytest.raises(FileError, match=said) as caught:
        write(MP8, place / "x" / "y" if prepare is two_levels_missing else place)
    assert "\n" not in str(caught.value)
    assert content(tmp_path) == before


@pytest.mark.parametrize("earlier", ["no folder", "no build", "a build"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, earlier):
    place = tmp_path / "out"
    if earlier != "no folder":
        place.mkdir()
    if earlier == "a build":
        write(MP8, place)
    before = content(tmp_path)

    def full(path, data):
        if path.name == MANIFEST:  # the last file of all
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        with path.open("wb") as file:
            return file.write(data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileError, match=r"out/mp-8/manifest\.json: No space left on device$"):
        write(MP8, place)
    assert content(tmp_path) == before


def test_a_failure_of_generation_leaves_nothing(tmp_path, monkeypatch):
    def fail(design, component=None):
        raise ValueError("no such scheme")

    monkeypatch.setattr(generate, "generated_files", fail)
    with pytest.raises(ValueError, match="no such scheme"):
        write(MP8, tmp_path / "out")
    assert content(tmp_path) == {}


# --- counts ----------------------------------------------------------------------------------------------------


class Lane(wiring.Component):
    """11 flip-flops and a memory of 6 x 5 bits."""

    def __init__(self):
        super().__init__({"x": In(5), "y": Out(7), "part": Out(9)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = Memory1R1W(6, 5)
        armed = Signal()
        m.d.comb += [ram.W0_en.eq(armed), ram.R0_en.eq(1), ram.W0_data.eq(self.x), ram.R0_addr.eq(self.x)]
        m.d.sync += [armed.eq(self.x[0]), self.y.eq(ram.R0_data + self.x), self.part.eq(self.x[:4])]
        return m


class Pair(wiring.Component):
    """Two lanes and 3 flip-flops of its own."""

    def __init__(self):
        self.lanes = [Lane(), Lane()]
        super().__init__({"x": In(5), "y": Out(7), "count": Out(3)})

    def elaborate(self, platform):
        m = Module()
        for number, lane in enumerate(self.lanes):
            m.submodules[f"lane_{number}"] = unit(lane, "lane")
            m.d.comb += lane.x.eq(self.x)
        m.d.comb += self.y.eq(self.lanes[0].y ^ self.lanes[1].y ^ self.lanes[0].part ^ self.lanes[1].part)
        m.d.sync += self.count.eq(self.count + 1)
        return m


@pytest.mark.parametrize("profile", ["fpga", "asic"])
def test_registers_and_memories_are_counted_over_the_hierarchy(profile):
    texts = emit(Pair(), name="top", profile=profile)
    assert instances(texts, "top") == {"top": 1, "top_lane": 2, "ram_6x5": 2}
    assert state_bits(texts, "top") == 3 + 2 * (1 + 6 + 4)
    assert [(memory.depth, memory.width, memory.instances, memory.bits) for memory in memories(texts, "top")] == [
        (6, 5, 2, 60)
    ]
