"""The hook: the array as a C function that compiled simulations call at each accepted command.

    int32_t hook(void *user, uint32_t op, uint32_t array, uint32_t row,
                 const uint8_t *set_counts, const uint8_t *reset_counts, const int32_t *codes_in, int32_t *codes_out)

| op | does | takes | gives |
|---|---|---|---|
| 0 | program row `row`, once per completed command | set_counts, reset_counts [device columns] | pulses delivered |
| 1 | forward read | codes_in [rows] | codes_out [columns], returns 0 |
| 2 | backward read | codes_in [columns] | codes_out [rows], returns 0 |
| 3 | one-hot read of row `row` | | codes_out [columns], returns 0 |
| 4 | train of `row` slots, once per completed command | set_counts, reset_counts: rows, columns | pulses delivered |

Of a train set_counts holds bytes [slots, rows], 1 where a row fires, and reset_counts bytes [slots, device columns]:
0 silent, 1 RESET, 2 SET.

It returns -1, and does nothing, for an unknown op, a row outside the array, a code outside its DAC, more than 255
pulses of SET and RESET together on one device, more than 255 slots, or a slot byte of another value.  Pointers that an
op does not take may be null.  `user` is the address of a tile's context (context.py) and selects the array; `array` is
for the caller's records.  It takes no lock: one thread at a time per tile, any number of tiles.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import carray, cfunc, types

from crosstrain_model.twin import context as at
from crosstrain_model.twin.kernels import Array, compiled, program
from crosstrain_model.twin.read_kernels import read, read_row
from crosstrain_model.twin.train_kernels import train_slots


@compiled
def _train(context: Array, fired: Array, columns: Array) -> int:
    if fired.shape[0] > 255:
        return -1
    for s in range(fired.shape[0]):
        for r in range(fired.shape[1]):
            if fired[s, r] > 1:
                return -1
        for c in range(columns.shape[1]):
            if columns[s, c] > 2:
                return -1
    return train_slots(context, fired, columns)


@compiled
def answer(context: Array, op: int, row: int, sets: Any, resets: Any, codes_in: Any, codes_out: Any) -> int:
    """The hook's body."""
    rows, columns, width = context[at.ROWS], context[at.COLUMNS], context[at.DEVICE_COLUMNS]
    if op == 1 or op == 2:
        lines, outputs = (rows, columns) if op == 1 else (columns, rows)
        done = read(context, op - 1, carray(codes_in, (1, lines)), carray(codes_out, (1, outputs)))
        return 0 if done else -1
    if op == 4:
        return _train(context, carray(sets, (row, rows)), carray(resets, (row, width)))
    if op > 3 or row >= rows:
        return -1
    if op == 3:
        read_row(context, row, carray(codes_out, (columns,)))
        return 0
    up, down = carray(sets, (width,)), carray(resets, (width,))
    for c in range(width):
        if np.int32(up[c]) + np.int32(down[c]) > 255:
            return -1
    return program(context, row, up, down, -1)


_SIGNATURE = types.int32(
    types.voidptr,
    types.uint32,
    types.uint32,
    types.uint32,
    types.CPointer(types.uint8),
    types.CPointer(types.uint8),
    types.CPointer(types.int32),
    types.CPointer(types.int32),
)


def _hook(user: Any, op: int, array: int, row: int, sets: Any, resets: Any, codes_in: Any, codes_out: Any) -> int:
    context = carray(user, (at.CONTEXT_SIZE,), np.int64)
    return answer(context, op, row, sets, resets, codes_in, codes_out)


@functools.cache
def hook_address() -> int:
    """Address of the compiled hook, which lives as long as the process; compiled when first asked for."""
    return int(_compiled_hook().address)


@functools.cache
def _compiled_hook() -> Any:
    # Not kept on disk: a thin shell around `answer`, which is.
    return cfunc(_SIGNATURE, nopython=True, error_model="numpy")(_hook)
