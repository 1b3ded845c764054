"""One run of work for every lane: the same calls of the generated driver, from the same seed.

Two lanes agree when their records are equal: results and state as the driver saw them, events as the array saw them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np

from crosstrain_cosim.event import Event
from crosstrain_model.design import Design
from crosstrain_model.port import ArrayId, Op

PATIENT = 2**20
"""Cycles of silence that no lane reaches, whatever the design's own timeout."""

EVENT = ("op", "array", "row", "tag", "width", "amplitude", "status", "pulses")


def quick(design: Design, width_set: int = 2, width_reset: int = 3) -> dict[str, int]:
    """Settings of short pulses, within the design's bound: what is simulated is the controller.

    Rows of write-verify end after a few cycles and reads, and a change of theta is outside of the window.
    """
    limit = design.pulse.width_limit
    rows = {"width_set": min(width_set, limit), "width_reset": min(width_reset, limit), "guard": 1}
    trains = {"train_width": min(width_set, limit), "train_guard": 1}
    few = _few(design) if design.verified else _coarse(design) if design.carried else {}
    return {**(rows if design.row.programming != "none" else {}), **(trains if design.pulsed else {}), **few}


def _few(design: Design) -> dict[str, int]:
    """Registers of write-verify that the design sets beyond what a simulation has patience for."""
    verify = design.verify
    window = min(verify.window, design.update.threshold // 2)
    few = {"cycles": min(verify.cycles, 5), "reads_log2": min(verify.reads_log2, 2), "window": window,
           "set_margin": max(verify.set_margin, -window)}  # fmt: skip
    return {name: value for name, value in few.items() if value != getattr(verify, name)}


def _coarse(design: Design) -> dict[str, int]:
    """Registers of a refresh that has more to do, sooner, and takes wide steps."""
    code, top = 1 << design.formats.fraction, (1 << design.formats.adc) - 1
    step = max(1, top >> 5)  # codes of a SET pulse
    return {
        "refresh_every": 2, "saturation": top // 5, "window": 2 * step * code, "set_margin": 0, "set_start": 0x2000,
        "set_step": 1, "set_stop": 0x3000, "cycles": 2, "reads_log2": min(design.verify.reads_log2, 2),
    }  # fmt: skip


def codes(rng: random.Random, count: int, bits: int) -> list[int]:
    """A vector of codes, some of them all zero."""
    half, density = 1 << (bits - 1), rng.choice((0.0, 0.4, 0.8, 1.0, 1.0))
    return [rng.randrange(-half, half) if rng.random() < density else 0 for _ in range(count)]


def vector(rng: random.Random, design: Design) -> tuple[list[int], int, list[int], int]:
    """A vector pair whose terms are neither all lost nor all clipped, whose trains are neither all short nor all long:
    x, its exponent, d, its exponent."""
    array, formats = design.array, design.formats
    if design.pulsed:
        x, d = codes(rng, array.rows, formats.x), codes(rng, array.columns, formats.d)
        return x, rng.randrange(-3, 3), d, rng.randrange(-12, -7)
    middle = (formats.accumulator - 5 - formats.x - formats.d - design.reset_shift) // 2
    x, d = codes(rng, array.rows, formats.x), codes(rng, array.columns, formats.d)
    return x, middle + rng.randrange(-2, 4), d, middle + rng.randrange(-2, 3)


def run(driver: Any, design: Design, seed: int, count: int) -> dict[str, Any]:
    """Updates, passes and reads; returns what the driver read, as JSON takes it."""
    if design.carried:
        return run_hybrid(driver, design, seed, count)
    if design.streamed:
        return run_stream(driver, design, seed, count)
    rng, array, formats = random.Random(f"{seed}/scenario"), design.array, design.formats
    reads: list[list[int]] = []
    driver.bring_up()
    driver.configure(**quick(design), timeout=PATIENT)
    driver.enable_programming()
    for _ in range(count):
        kind = rng.random()
        if kind < 0.25 and not design.pulsed:
            driver.program_pass()
        elif kind < 0.75:
            driver.update(*vector(rng, design))
        elif kind < 0.84:
            reads.append(driver.forward(codes(rng, array.rows, formats.x)))
        elif kind < 0.93:
            reads.append(driver.backward(codes(rng, array.columns, formats.d)))
        else:
            reads.append(driver.read_row(rng.randrange(array.rows)))
    if not design.pulsed:
        driver.program_pass()
    driver.wait_idle()
    return {"reads": reads, "state": driver.state(), "counters": driver.counters()}


def run_stream(driver: Any, design: Design, seed: int, count: int) -> dict[str, Any]:
    """The same where changes come from the host."""
    rng, array, theta = random.Random(f"{seed}/scenario"), design.array, design.update.threshold
    size = min(2 * theta, (1 << design.formats.accumulator - 1) - 1)
    reads: list[list[int]] = []
    driver.bring_up()
    driver.configure(**quick(design), timeout=PATIENT)
    driver.enable_programming()
    for _ in range(count):
        kind, rows = rng.random(), {rng.randrange(array.rows) for _ in range(3)}
        if kind < 0.2:
            driver.program_pass()
        elif kind < 0.5:
            matrix = [[rng.randrange(-size, size + 1) if row in rows and rng.random() < 0.4 else 0
                       for _ in range(array.columns)] for row in range(array.rows)]  # fmt: skip
            driver.update(matrix)
        elif kind < 0.7:
            driver.update_cells([(row, rng.randrange(array.columns), rng.randrange(-theta, theta)) for row in rows])
        elif kind < 0.85:
            reads.append(driver.forward([rng.randrange(1 << design.formats.x) for _ in range(array.rows)]))
        elif kind < 0.95:
            reads.append(driver.read_row(rng.randrange(array.rows)))
        else:
            driver.form(rng.randrange(array.rows))
    driver.program_pass()
    driver.wait_idle()
    return {"reads": reads, "state": driver.state(), "counters": driver.counters()}


def run_hybrid(driver: Any, design: Design, seed: int, count: int) -> dict[str, Any]:
    """The same with hybrid weights.  Nothing waits where a batch ends or weights move again: so the order of carries
    and refreshes is the rule's and not that of time."""
    rng, array, formats = random.Random(f"{seed}/scenario"), design.array, design.formats
    half = 1 << formats.accumulator - 1
    reads: list[list[int]] = []
    driver.bring_up()
    driver.configure(**quick(design), timeout=PATIENT)
    driver.enable_programming()
    for _ in range(count):
        kind, rows = rng.random(), {rng.randrange(array.rows) for _ in range(3)}
        if kind < 0.2:
            driver.program_pass()
            driver.wait_idle()
        elif kind < 0.5:
            matrix = [[rng.randrange(-half, half) >> rng.randrange(12) if row in rows and rng.random() < 0.4 else 0
                       for _ in range(array.columns)] for row in range(array.rows)]  # fmt: skip
            driver.update(matrix)
            driver.wait_idle()
        elif kind < 0.7:
            driver.update_cells([(row, rng.randrange(array.columns), rng.randrange(-half, half)) for row in rows])
            driver.wait_idle()
        elif kind < 0.83:
            reads.append(driver.forward(codes(rng, array.rows, formats.x)))
        elif kind < 0.93:
            reads.append(driver.backward(codes(rng, array.columns, formats.d)))
        else:
            reads.append(driver.read_row(rng.randrange(array.rows)))
    driver.program_pass()
    driver.wait_idle()
    state = driver.state()
    if design.cells_array:
        state |= {"wear": {name: [list(part) for part in parts] for name, parts in driver.wear().items()}}
    return {"reads": reads, "state": state, "counters": driver.counters()}


def recorded(design: Design, events: list[list[Any]]) -> list[list[Any]]:
    """Events as the record holds them: where several arrays are at work, array by array and without tags, for no order
    is promised across arrays."""
    if not (design.pulsed or design.carried):
        return events
    tag = EVENT.index("tag")
    untagged = [[*event[:tag], 0, *event[tag + 1 :]] for event in events]
    return sorted(untagged, key=lambda event: event[EVENT.index("array")])


def slots_from_agent(events: Iterable[Event]) -> list[int]:
    """Masks of all slots of trains, as `native.Gathered.slots` has them."""
    masks = [mask for event in events for slot in event.slots for mask in slot]
    return [word for mask in masks for word in _mask_words(mask)]


def _mask_words(mask: Any) -> list[int]:
    padded = np.zeros(-(-len(mask) // 32) * 32, np.uint8)
    padded[: len(mask)] = mask
    return np.packbits(padded, bitorder="little").view("<u4").tolist()


def _plain(value: Any) -> Any:
    """A number as JSON takes it, or several."""
    return np.asarray(value).tolist()


def from_agent(events: Iterable[Event]) -> list[list[Any]]:
    """Events of the Python agent."""
    return [
        [*(_plain(getattr(event, name)) for name in EVENT), list(event.set_counts), list(event.reset_counts)]
        if event.op in (Op.PROGRAM, Op.FORM)
        else [*(_plain(getattr(event, name)) for name in EVENT), [], []]
        for event in events
    ]


def from_native(design: Design, batches: Iterable[Any]) -> list[list[Any]]:
    """Event records of the C++ agent, which are as wide as the widest array."""
    found = []
    for event in (event for batch in batches for event in batch):
        of_cells = event["array"] == ArrayId.L
        width = design.array.columns * design.hybrid.bits if of_cells else design.array.device_columns
        programmed = event["op"] in (Op.PROGRAM, Op.FORM)
        pulses = [event[part][:width].tolist() if programmed else [] for part in ("set", "reset")]
        found.append([*(_plain(event[name]) for name in EVENT), *pulses])
    return found


def first_difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Where two records differ first, with both sides' values; empty when they do not."""
    for number, (left, right) in enumerate(zip(one["events"], other["events"], strict=False)):
        if left != right:
            names = (*EVENT, "SET pulses", "RESET pulses")
            name, a, b = next((n, a, b) for n, a, b in zip(names, left, right, strict=True) if a != b)
            return f"event {number}, {Op(left[0]).name} of row {left[2]}: {name} {a}, other {b}"
    if len(one["events"]) != len(other["events"]):
        return f"number of events: {len(one['events'])}, other {len(other['events'])}"
    for key in ("slots", "reads", "counters"):
        if one[key] != other[key]:
            return f"{key}: {one[key]}, other {other[key]}"[:500]
    for key, value in one["state"].items():
        if value != other["state"].get(key):
            return f"state, {key}: {value}, other {other['state'].get(key)}"[:500]
    return ""
