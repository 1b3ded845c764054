"""Compiled sums of a read: levels of lines times levels of weights, exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain_model.twin.kernels import Array, compiled


@compiled
def _add_rows(x: Array, first: Any, last: Any, weights: Array, part: Array) -> None:
    """part[c] += sum over rows first .. last-1 of x[r] * weights[r, c]: one vector, four rows at a time."""
    columns = np.uint64(part.size)
    whole = first + (last - first) // 4 * 4
    for r in range(np.uint64(first), np.uint64(whole), np.uint64(4)):
        r1, r2, r3 = r + np.uint64(1), r + np.uint64(2), r + np.uint64(3)
        x0, x1, x2, x3 = x[r], x[r1], x[r2], x[r3]
        if x0 == 0 and x1 == 0 and x2 == 0 and x3 == 0:
            continue
        for c in range(np.uint64(0), columns):
            low = np.int32(np.int32(x0 * np.int32(weights[r, c])) + np.int32(x1 * np.int32(weights[r1, c])))
            high = np.int32(np.int32(x2 * np.int32(weights[r2, c])) + np.int32(x3 * np.int32(weights[r3, c])))
            part[c] = np.int32(part[c] + np.int32(low + high))
    for r in range(np.uint64(whole), np.uint64(last)):
        for c in range(np.uint64(0), columns):
            part[c] = np.int32(part[c] + np.int32(x[r] * np.int32(weights[r, c])))


@compiled
def _add_listed(x: Array, lines: Array, count: Any, weights: Array, part: Array) -> None:
    """part[c] += sum over the first `count` of `lines` of x[r] * weights[r, c]."""
    columns = np.uint64(part.size)
    whole = count // np.uint64(4) * np.uint64(4)
    for k in range(np.uint64(0), whole, np.uint64(4)):
        r0, r1 = np.uint64(lines[k]), np.uint64(lines[k + np.uint64(1)])
        r2, r3 = np.uint64(lines[k + np.uint64(2)]), np.uint64(lines[k + np.uint64(3)])
        x0, x1, x2, x3 = x[r0], x[r1], x[r2], x[r3]
        for c in range(np.uint64(0), columns):
            low = np.int32(np.int32(x0 * np.int32(weights[r0, c])) + np.int32(x1 * np.int32(weights[r1, c])))
            high = np.int32(np.int32(x2 * np.int32(weights[r2, c])) + np.int32(x3 * np.int32(weights[r3, c])))
            part[c] = np.int32(part[c] + np.int32(low + high))
    for k in range(whole, count):
        line = np.int64(lines[k])
        _add_rows(x, line, line + 1, weights, part)


@compiled
def _list(x: Array, first: int, last: int, lines: Array) -> Any:
    """Lines of first .. last-1 whose level is not 0, and how many; the place behind them is overwritten."""
    count = np.uint64(0)
    for r in range(np.uint64(first), np.uint64(last)):
        lines[count] = np.int32(r)
        count += np.uint64(x[r] != 0)
    return count


@compiled
def _add_quads(x: Array, first: int, last: int, weights: Array, part: Array) -> None:
    """_add_rows for four vectors, last - first a multiple of 4: each weight is fetched and widened once for all."""
    columns = np.uint64(part.shape[1])
    for r0 in range(np.uint64(first), np.uint64(last), np.uint64(4)):
        r1, r2, r3 = r0 + np.uint64(1), r0 + np.uint64(2), r0 + np.uint64(3)
        a0, a1, a2, a3 = x[0, r0], x[0, r1], x[0, r2], x[0, r3]
        b0, b1, b2, b3 = x[1, r0], x[1, r1], x[1, r2], x[1, r3]
        c0, c1, c2, c3 = x[2, r0], x[2, r1], x[2, r2], x[2, r3]
        d0, d1, d2, d3 = x[3, r0], x[3, r1], x[3, r2], x[3, r3]
        for c in range(np.uint64(0), columns):
            w0, w1 = np.int32(weights[r0, c]), np.int32(weights[r1, c])
            w2, w3 = np.int32(weights[r2, c]), np.int32(weights[r3, c])
            part[0, c] += np.int32(a0 * w0) + np.int32(a1 * w1) + np.int32(a2 * w2) + np.int32(a3 * w3)
            part[1, c] += np.int32(b0 * w0) + np.int32(b1 * w1) + np.int32(b2 * w2) + np.int32(b3 * w3)
            part[2, c] += np.int32(c0 * w0) + np.int32(c1 * w1) + np.int32(c2 * w2) + np.int32(c3 * w3)
            part[3, c] += np.int32(d0 * w0) + np.int32(d1 * w1) + np.int32(d2 * w2) + np.int32(d3 * w3)


@compiled
def forward_sums(levels: Array, weights: Array, chunk: int, part: Array, sums: Array) -> None:
    """sums[v, c] = sum of levels[v, r] * weights[r, c] for one vector or four: int32 for `chunk` rows, then int64.

    `part` is int32 scratch of the shape of `sums`.  Of vectors mostly of zeros, as pictures are, the other lines alone
    are added, each vector's own.
    """
    rows = levels.shape[1]
    sums[:] = 0
    lines, given = np.empty(min(chunk, rows) + 1, dtype=np.int32), np.uint64(0)
    for v in range(levels.shape[0]):
        for r in range(np.uint64(0), np.uint64(rows)):
            given += np.uint64(levels[v, r] != 0)
    sparse = 2 * given < levels.size
    for first in range(0, rows, chunk):
        part[:] = 0
        last, rest = min(first + chunk, rows), first
        if sparse:
            for v in range(levels.shape[0]):
                _add_listed(levels[v], lines, _list(levels[v], first, last, lines), weights, part[v])
            rest = last
        elif levels.shape[0] == 4:
            rest = first + (last - first) // 4 * 4
            _add_quads(levels, first, rest, weights, part)
        for v in range(levels.shape[0]):
            _add_rows(levels[v], rest, last, weights, part[v])
        for v in range(levels.shape[0]):
            for c in range(sums.shape[1]):
                sums[v, c] += part[v, c]


@compiled
def backward_sums(levels: Array, weights: Array, chunk: int, sums: Array) -> None:
    """sums[r] = sum of levels[c] * weights[r, c]; as int16, so that two products and their sum are one instruction."""
    short = levels.astype(np.int16)
    columns, most, rows = np.uint64(short.size), np.uint64(chunk), np.uint64(sums.size)
    whole = rows // np.uint64(4) * np.uint64(4)
    sums[:] = 0
    for first in range(np.uint64(0), columns, most):
        last = min(np.uint64(first + most), columns)
        for r0 in range(np.uint64(0), whole, np.uint64(4)):  # four rows at a time, for loops are short
            r1, r2, r3 = r0 + np.uint64(1), r0 + np.uint64(2), r0 + np.uint64(3)
            a = b = c = d = np.int32(0)
            for k in range(first, last):
                level = np.int32(short[k])
                a = np.int32(a + np.int32(level * np.int32(weights[r0, k])))
                b = np.int32(b + np.int32(level * np.int32(weights[r1, k])))
                c = np.int32(c + np.int32(level * np.int32(weights[r2, k])))
                d = np.int32(d + np.int32(level * np.int32(weights[r3, k])))
            sums[r0] += a
            sums[r1] += b
            sums[r2] += c
            sums[r3] += d
        for r in range(whole, rows):
            part = np.int32(0)
            for k in range(first, last):
                part = np.int32(part + np.int32(np.int32(short[k]) * np.int32(weights[r, k])))
            sums[r] += part
