"""The transport of docs/driver.md, taken from the page, moves every word and frame of the driver through a memory.

The memory plays the bridge that the page describes. What it makes of the words is compared with what the driver gave,
by `frames.unpack`, which the page does not use.
"""

import re
import types
from collections import deque
from pathlib import Path

import pytest

from crosstrain_model.design import Array, Bus, Design
from crosstrain_model.design_file import load_design
from crosstrain_model.frames import beat_bits, pack, result_bits, slot_bits, unpack
from crosstrain_model.port import adc_codes
from crosstrain_model.register_files import driver_module

PAGE = Path(__file__).parents[2] / "docs" / "driver.md"
DESIGNS = {
    "mp-8": load_design("mp-8"),
    "narrow": Design(name="narrow", array=Array(rows=13, columns=7, lanes=3), bus=Bus(stream_codes=1)),
    "wide": load_design("mp-64", ["formats.x=11"]),
    "wu-8": load_design("wu-8"),
    "agad-8": load_design("agad-8"),
    "hic-8": load_design("hic-8"),
}
PAGE_OF_REGISTERS = 0x1000


def example(old="", new=""):
    """The page's code as a module, with one piece of it replaced."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert text.count(old) == 1 or not old
    module = types.ModuleType("mapped")
    exec(compile(text.replace(old, new) if old else text, str(PAGE), "exec"), module.__dict__)
    return module


class Bridge:
    """Words as `map_words` gives them, with the bridge behind the registers; as the comments of the page have it."""

    def __init__(self, design, words, room=3):
        self.design, self.words, self.room = design, words, room
        self.free, self.refused, self.error = 0, set(), 0
        self.beats, self.part, self.user, self.frames = [], [], 0, []
        self.waiting, self.last = deque(), 0
        self.beat_words = -(-beat_bits(design) // 32)

    def __setitem__(self, item, word):
        assert 0 <= word < 2**32
        address = 4 * item
        if address < PAGE_OF_REGISTERS:
            self.error = int(address in self.refused)
            if not self.error:
                self.words[item] = word
        elif address == 0x1004:
            assert not self.part, "a frame began inside a frame"
            self.user = word
        else:
            assert address in (0x100C, 0x1010)
            assert self.free > 0, "no room"
            self.free -= 1
            self._word(word, last=address == 0x1010)

    def _word(self, word, *, last):
        self.part.append(word)
        if len(self.part) == self.beat_words:
            self.beats.append(sum(word << 32 * place for place, word in enumerate(self.part)))
            self.part = []
        if last:
            assert not self.part, "half a beat"
            per_beat = beat_bits(self.design) // slot_bits(self.design)
            self.frames.append((unpack(self.beats, per_beat=per_beat, bits=slot_bits(self.design)), self.user))
            self.beats = []

    def __getitem__(self, item):
        address = 4 * item
        if address < PAGE_OF_REGISTERS:
            self.error = int(address in self.refused)
            return 0xDEADBEEF if self.error else self.words[item]
        return {0x1000: self._error, 0x1008: self._room, 0x1014: self._waits, 0x1018: self._take, 0x101C: self._last}[
            address
        ]()

    def _error(self):
        error, self.error = self.error, 0
        return error

    def _room(self):
        """Words it can take; when it is full, it is so for the first that asks, and empty for the next."""
        self.free = self.free or -self.room
        found = max(self.free, 0)
        self.free = abs(self.free)
        return found

    def _waits(self):
        return len(self.waiting)

    def _take(self):
        word, self.last = self.waiting.popleft()
        return word

    def _last(self):
        return self.last

    def answer(self, codes, user):
        """A result frame for the host."""
        beats = pack(codes, per_beat=adc_codes(self.design), bits=result_bits(self.design))
        low = range(0, adc_codes(self.design) * result_bits(self.design), 32)
        for number, beat in enumerate(beats, 1):
            last = (1 << 31 | user) if number == len(beats) else user & 0xF
            self.waiting += [(beat >> at & 0xFFFFFFFF, last) for at in low]


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def mapped(design, tmp_path, module=None, patience=0.05):
    """The page's transport over a file, whose first page holds the registers at their reset values, and its bridge."""
    module, chip = module or example(), driver_module(design)
    (tmp_path / "uio0").write_bytes(bytes(0x2000))
    words = module.map_words(str(tmp_path / "uio0"))
    for address, _, reset, _ in chip.REGISTERS.values():
        words[address // 4] = reset
    bridge = Bridge(design, words)
    return chip, module.MappedTransport(bridge, chip, patience), bridge


def frames_of(design, memory_of, transport, bridge):
    """Frames of some work, as the bridge got them, and as the driver gave them to a transport that keeps lists."""
    chip = driver_module(design)
    kept = memory_of(chip)
    rows, columns = design.array.rows, design.array.columns
    for one in (transport, kept):
        driver = chip.Driver(one)
        if design.streamed:
            changes = [[(-1) ** row * (row * columns + column) for column in range(columns)] for row in range(rows)]
            driver.update(changes)
            driver.update_cells([(rows - 1, columns - 1, -3), (0, 1, 2)])
            if design.verified:
                driver.form(rows - 1)
        else:
            half = 1 << design.formats.x - 1
            x = [(-1) ** row * (row * 7 % half) for row in range(rows)]
            driver.update(x, -128, [-128, 127] + [3] * (columns - 2), 7)
        if not design.pulsed:
            driver.program_pass()
    return bridge.frames, kept.frames


def same(design, got, given):
    """Whether both are the same frames; where the driver gave no whole beats, the rest of the last one is 0."""
    slots = beat_bits(design) // slot_bits(design)
    return got == [(list(codes) + [0] * (-len(codes) % slots or slots * (not codes)), user) for codes, user in given]


def test_frames_to_the_chip(design, memory_of, tmp_path):
    _, transport, bridge = mapped(design, tmp_path)
    got, given = frames_of(design, memory_of, transport, bridge)
    assert len(given) >= 2
    assert same(design, got, given)


def in_beats(design, codes):
    """Codes of weights as beats have them that have room for both devices of each: in the lower half."""
    lanes = design.array.lanes
    groups = [codes[at : at + lanes] for at in range(0, len(codes), lanes)]
    return [code for group in groups for code in group + [0] * (2 * lanes - len(group))]


def test_results_and_registers(design, tmp_path):
    chip, transport, bridge = mapped(design, tmp_path)
    driver, weights = chip.Driver(transport), [-5, *range(1, design.array.columns)]
    devices = [5, 0, *range(1, design.array.device_columns - 1)]
    codes = devices if design.verified else weights
    row = (devices if design.verified or design.carried else weights)[::-1]
    bridge.answer(in_beats(design, codes) if design.carried else codes, chip.FORWARD)
    bridge.answer(row, chip.READ_ROW | 1 << 12)
    assert driver.forward([1] * design.array.rows) == codes
    assert driver.read_row(2) == row
    assert bridge.frames[-1][1] == chip.READ_ROW | 1 << 12 | 2 << 20
    driver.configure(timeout=70_000)
    assert driver.read("TIMEOUT") == 70_000
    stored = (tmp_path / "uio0").read_bytes()
    address = chip.REGISTERS["TIMEOUT"][0]
    assert int.from_bytes(stored[address : address + 4], "little") == 70_000


def test_errors(design, tmp_path):
    chip, transport, bridge = mapped(design, tmp_path)
    driver, address = chip.Driver(transport), chip.REGISTERS["TIMEOUT"][0]
    bridge.refused.add(address)
    for access in (lambda: driver.write("TIMEOUT", 1), lambda: driver.read("TIMEOUT")):
        with pytest.raises(chip.RefusedError, match=rf"TIMEOUT.* was refused \(.* 0x{address:03x}: error response\)$"):
            access()
    bridge.refused.clear()
    assert driver.read("TIMEOUT") == chip.REGISTERS["TIMEOUT"][2]  # the error was taken: the next access is good
    with pytest.raises(TimeoutError, match="a result: none within 0.05 s"):
        driver.read_row(0)


BROKEN = {
    "order of codes in a beat": ("<< self.slot * place for", "<< self.slot * (self.slots - 1 - place) for"),
    "sign": ("(int(code) & mask)", "abs(int(code))"),
    "order of words": ("for low in range(0, self.slot * self.slots, 32)]", "for low in range(32, -1, -32)]"),
    "room": ('self._wait(TX_ROOM, "room for a word")', "pass"),
    "TUSER": ("self.words[TX_USER // 4] = user", "self.words[TX_USER // 4] = user & 15"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_transport_turns_red(what, memory_of, tmp_path):
    design = DESIGNS["wide"]
    _, transport, bridge = mapped(design, tmp_path, example(*BROKEN[what]))
    try:
        got, given = frames_of(design, memory_of, transport, bridge)
    except AssertionError:  # the bridge itself refuses it
        return
    assert not same(design, got, given)
