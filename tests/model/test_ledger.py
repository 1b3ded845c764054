"""Totals of the ledger: they follow from the cells, and tell when something is lost."""

import numpy as np

from crosstrain_model.controller import Controller
from crosstrain_model.design import Array, Design, Formats, Update
from crosstrain_model.ledger import PARTS, imbalance, signed64, totals
from crosstrain_model.registers import TOTALS

DESIGN = Design(
    name="a",
    array=Array(rows=6, columns=5, lanes=2),
    formats=Formats(accumulator=8, fraction=2),
    update=Update(threshold=20, max_pulses=2, remainder="clear"),
)


def worked():
    controller = Controller(DESIGN, ledger=True)
    rng = np.random.default_rng(3)
    controller.load(rng.integers(-128, 128, (6, 5)))
    for _ in range(5):
        x, d = rng.integers(-128, 128, (4, 6)), rng.integers(-128, 128, (4, 5))
        controller.update_vectors(x, np.full(4, -5), d, np.full(4, -6))
        controller.program()
    controller.clear()
    controller.update_vectors(x, np.full(4, -5), d, np.full(4, -6))
    return controller


def test_totals_balance_and_every_one_counts():
    controller = worked()
    found = totals(controller.ledger)
    assert list(found) == [name.lower() for name in TOTALS] == [name.lower() for name in PARTS]
    assert all(found.values())
    assert imbalance(found, controller.dump()) == 0
    for name in found:
        assert imbalance({**found, name: found[name] + 1}, controller.dump()) != 0
    assert imbalance(found, controller.dump() + np.eye(6, 5, dtype=int)) == -5


def test_totals_wrap_at_64_bits():
    assert [signed64(value) for value in (2**63 - 1, 2**63, -(2**63) - 1, 2**64 + 5)] == [
        2**63 - 1,
        -(2**63),
        2**63 - 1,
        5,
    ]
    controller = worked()
    controller.ledger.inputs[0, 0] += 2**62
    controller.ledger.inputs[0, 1] += 2**62
    assert totals(controller.ledger)["input"] < 0
