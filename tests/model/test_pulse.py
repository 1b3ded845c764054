"""The pulse rule: every pairing against a word-for-word loop, settings at their bounds, and the ledger."""

import itertools

import numpy as np
import pytest

from crosstrain_model.design import Array, Design, Pulse, Update
from crosstrain_model.port import Status
from crosstrain_model.pulse import (
    COUNTER_BITS,
    RESET,
    SET,
    PulseLedger,
    PulseSettings,
    phase_counts,
    row_buffers,
    row_commands,
)

PAIRS = ("single", "push-pull", "set-only")


def design(columns, pair, max_pulses=3, lanes=1, **pulse):
    return Design(
        array=Array(rows=4, columns=columns, lanes=lanes, pair=pair),
        update=Update(max_pulses=max_pulses),
        pulse=Pulse(**pulse),
    )


def by_hand(pair, counts):
    """[(direction, [pulses per device column])], the rule with plain loops."""
    phases = []
    for direction in (SET, RESET):
        devices = []
        for p in counts:
            raises, lowers = max(p, 0), max(-p, 0)
            if pair == "single":
                devices.append(raises if direction == SET else lowers)
            elif direction == SET:
                devices += [raises, lowers]
            elif pair == "push-pull":
                devices += [lowers, raises]
            else:
                devices += [0, 0]
        if any(devices):
            phases.append((direction, devices))
    return phases


@pytest.mark.parametrize("pair", PAIRS)
def test_all_rows_of_three_columns(pair):
    tile = design(3, pair)
    for counts in itertools.product((-3, -1, 0, 2), repeat=3):
        got = [(c.direction, c.counts.tolist()) for c in row_commands(tile, 1, counts)]
        assert got == by_hand(pair, counts), counts


@pytest.mark.parametrize("pair", PAIRS)
def test_random_rows_and_their_slots(pair):
    rng = np.random.default_rng(3)
    tile = design(13, pair, max_pulses=15)
    for _ in range(100):
        counts = rng.integers(-15, 16, 13) * (rng.random(13) < 0.5)
        for command, (direction, devices) in zip(row_commands(tile, 2, counts), by_hand(pair, counts), strict=True):
            assert (command.direction, command.counts.tolist()) == (direction, devices)
            masks = [[n > i for n in devices] for i in range(max(devices))]
            assert command.slots.tolist() == masks
            assert command.slot_masks == [sum(1 << c for c, on in enumerate(mask) if on) for mask in masks]
            assert command.pulses == sum(devices) == sum(mask.bit_count() for mask in command.slot_masks)


@pytest.mark.parametrize("pair", PAIRS)
def test_batches_of_rows_are_the_rows(pair):
    rng = np.random.default_rng(4)
    array = design(5, pair).array
    batch = rng.integers(-3, 4, (2, 6, 5))
    for direction, counts in phase_counts(array, batch):
        for place in np.ndindex(2, 6):
            assert counts[place].tolist() == dict(phase_counts(array, batch[place]))[direction].tolist()


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match=r"row_commands\.counts must be -3\.\.3 \(update\.max_pulses\)"):
        row_commands(design(2, "single"), 0, [4, 0])
    with pytest.raises(ValueError, match=r"phase_counts\.counts: last axis must be 2 \(array\.columns\)"):
        phase_counts(design(2, "single").array, [1, 0, 0])


@pytest.mark.parametrize(("register", "width"), [(0, 1), (1, 1), (9, 9), (10, 10), (11, 10), (2**28 - 1, 10)])
def test_width_stays_within_its_bounds(register, width):
    settings = PulseSettings(
        width_set=register, width_reset=4, guard=3, amplitude_set=7, amplitude_reset=8, width_limit=10
    )
    assert (settings.width(SET), settings.spacing(SET)) == (width, width + 3)
    assert (settings.width(RESET), settings.spacing(RESET)) == (4, 7)
    assert (settings.amplitude(SET), settings.amplitude(RESET)) == (7, 8)


def test_settings_come_from_the_design():
    tile = design(1, "single", width_set=3, width_reset=4, guard=5, amplitude_set=6, amplitude_reset=7, width_limit=8)
    command = row_commands(tile, 3, [-1])[0]
    assert (command.row, command.direction, command.width, command.amplitude) == (3, RESET, 4, 7)
    assert PulseSettings.of(tile).spacing(SET) == 8


def test_row_buffers_cover_the_pipeline():
    assert [row_buffers(design(8, "single", lanes=lanes)) for lanes in (8, 4, 2, 1)] == [8, 5, 4, 3]


def test_ledger_balances_whatever_happens():
    rng = np.random.default_rng(5)
    ledger = PulseLedger()
    for _ in range(500):
        pulses = int(rng.integers(1, 50))
        fate = rng.integers(4)
        if fate == 0:
            ledger.drop(pulses)
        else:
            ledger.issue(pulses)
            assert ledger.balanced
            assert ledger.open == pulses
            if fate == 1:
                ledger.lose(pulses)
            else:
                ledger.complete(pulses, int(rng.integers(6)), int(rng.integers(60)))
        assert ledger.balanced
        assert ledger.open == 0


@pytest.mark.parametrize(
    ("status", "reported", "delivered", "aborted", "failed"),
    [
        (Status.OK, 10, 10, 0, 0),
        (Status.OK, 4, 4, 0, 6),
        (Status.OK, 99, 10, 0, 0),
        (Status.ABORTED, 4, 4, 6, 0),
        (Status.INTERLOCK, 0, 0, 0, 10),
        (Status.TIMEOUT, 10, 10, 0, 0),
    ],
)
def test_ledger_of_one_command(status, reported, delivered, aborted, failed):
    ledger = PulseLedger()
    ledger.issue(10)
    ledger.complete(10, status, reported)
    want = {"issued": 10, "delivered": delivered, "aborted": aborted, "failed": failed, "unknown": 0}
    assert ledger.wrapped() == want


def test_ledger_that_lost_a_pulse_does_not_balance():
    ledger = PulseLedger()
    ledger.issue(10)
    ledger.lose(9)
    ledger.open = 0
    assert not ledger.balanced


def test_counters_wrap_as_the_hardware_does():
    ledger = PulseLedger(issued=2**COUNTER_BITS + 5, delivered=2**COUNTER_BITS + 5)
    assert (ledger.balanced, ledger.wrapped()["issued"]) == (True, 5)
