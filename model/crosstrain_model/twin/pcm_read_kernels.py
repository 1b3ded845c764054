"""Compiled end of a read of pairs: from exact sums to codes, with the noise of devices and converters; equal to
`pcm_tile` and `converter`, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_model.twin import context as at
from crosstrain_model.twin.kernels import Array, compiled, event_key
from crosstrain_model.twin.read_kernels import root_of, to_signed_codes, z_of_word


@compiled
def finish(
    sums: Array, variances: Array, codes: Array, part: Array, keys: Array, kinds: Any, number: Any, out: Array
) -> None:
    """sums, variances : float64 [B, outputs], whole numbers; without noise of devices variances is empty
    codes : int32 [B, lines]; part : of `context.numbers_of`; kinds : of the device and of the read; number : of the
    first read; out : int32 [B, outputs]
    """
    outputs = out.shape[1]
    wide = np.empty(outputs, np.int64)
    for b in range(out.shape[0]):
        for c in range(outputs):
            wide[c] = np.int64(sums[b, c])
        if variances.size:
            a, stride = event_key(keys, kinds[0], number + b, 0)
            for c in range(outputs):
                root, z = np.int64(np.floor(np.sqrt(variances[b, c]))), np.int64(z_of_word(a, stride, c))
                wide[c] += (((z * root * 1774) << part[at.FRACTION]) + (1 << 19)) >> 20
        root_of_codes = root_of(codes[b]) if part[at.READ_NOISE] != 0 else 0
        to_signed_codes(part, wide, root_of_codes, keys, kinds[1], number + b, 0, out[b])
