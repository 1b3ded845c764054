"""How a weight is made of devices: the one place that knows `array.pair`.

    pair        raise by one              lower by one               at rest
    single      SET the device            RESET the device           0
    push-pull   SET plus, RESET minus     RESET plus, SET minus      0, 0
    set-only    SET plus                  SET minus                  lower bounds

Plus and minus of column c are device columns 2c and 2c + 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosstrain_model.twin.device import Devices

Wide = npt.NDArray[np.int64]


class Wiring:
    """The rules of one `array.pair`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pair = kind != "single"
        self.rest = -(1 << 21) if kind == "set-only" else 0
        """Conductance of a new device, before its bounds clamp it."""
        self.share = 1 if kind != "set-only" else 2
        """A raise by one moves the weight by a mean step divided by this, in units of full-scale weight."""

    def weights(self, g: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Integer weights [rows, columns] of conductances [rows, device columns]."""
        return g[:, 0::2] - g[:, 1::2] if self.pair else g.copy()

    def wide_levels(self, g: npt.NDArray[np.int32], reference: npt.NDArray[np.int32] | None) -> npt.NDArray[np.int32]:
        """What row reads see: weights less `reference`, in units of 2^-14 of full scale."""
        w = self.weights(g) if reference is None else self.weights(g) - reference
        return (w + np.int32(64)) >> 7 if self.pair else (w + np.int32(32)) >> 6

    def levels(self, g: npt.NDArray[np.int32], reference: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int16]:
        """What other reads see: the same, within +-32767.  Only a reference can make a weight meet that."""
        return np.clip(self.wide_levels(g, reference), -32767, 32767).astype(np.int16)

    def expand(self, counts: npt.NDArray[Any]) -> tuple[Wide, Wide]:
        """SET and RESET counts per device column of signed counts [..., columns] per weight."""
        up, down = np.maximum(counts, 0).astype(np.int64), np.maximum(-counts, 0).astype(np.int64)
        if self.kind == "single":
            return up, down
        sets = np.stack((up, down), axis=-1).reshape(*counts.shape[:-1], -1)
        resets = np.stack((down, up), axis=-1).reshape(*counts.shape[:-1], -1)
        return sets, resets if self.kind == "push-pull" else np.zeros_like(resets)

    def place(self, target: Wide, devices: Devices) -> npt.NDArray[np.int32]:
        """Conductances whose weights are `target`, or the nearest that the bounds allow."""
        if not self.pair:
            return devices.clamp(target)
        g = np.empty(devices.low.shape, dtype=np.int64)
        low, high = devices.low.astype(np.int64) << 6, devices.high.astype(np.int64) << 6
        if self.kind == "push-pull":
            minus = -((target + 1) >> 1)
        else:
            # Both rest at the bottom; the one that must rise does.
            minus = np.maximum(low[:, 1::2], low[:, 0::2] - target)
        g[:, 0::2] = np.clip(target + np.clip(minus, low[:, 1::2], high[:, 1::2]), low[:, 0::2], high[:, 0::2])
        g[:, 1::2] = np.clip(g[:, 0::2] - target, low[:, 1::2], high[:, 1::2])
        return g.astype(np.int32)
