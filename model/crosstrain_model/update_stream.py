"""Update stream: weight changes that the host computed, added to the accumulators dW.

A change is a signed integer of W = `formats.accumulator` bits in accumulator units, 2^-F of an ADC code of a row read
(F = `formats.fraction`); the host rounds.  Frames (`frames.py`):

    UPDATE   the whole matrix, row by row, groups ascending, one group a beat
             each group with a change that is not 0 is one accumulate visit: dW = clamp(dW + change), as `accumulator`
             has it; a group of zeros is not visited; changes beyond the last column are ignored
    SPARSE   one change a beat: row, column, change; each is one visit of its group, zeros too; repeated cells add up
    PROGRAM  a program pass over the touched rows

Beats act as they come, at one visit per cycle, gaps are waited for.  A frame error is raised, and nothing else is
disturbed, by

    UPDATE that ends early        what has come is added
    UPDATE that does not end      what is beyond the matrix is dropped, up to its TLAST
    SPARSE with row >= rows or column >= columns     that beat is dropped, the next counts

A frame is a vector of the schedule: it touches the rows that it visits; VECTORS counts it when it ends, VISITS its
visits.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crosstrain_model.design import Design
from crosstrain_model.outer_product import limits

Int32 = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Added:
    """What a frame did."""

    touched: npt.NDArray[np.bool_]
    """[rows]"""
    visits: int
    clips: int
    """Cells that saturated, counted at each visit."""
    wrong: int = 0
    """Beats that were dropped."""


def check_changes(design: Design, changes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The changes as int64; raises ValueError for what has no code."""
    low, high = limits(design)
    given = np.asarray(changes, np.int64)
    if given.size and (given.min() < low or given.max() > high):
        raise ValueError(f"update = {given.min()}..{given.max()}: must be {low}..{high} (formats.accumulator)")
    return given


def add_matrix(design: Design, dw: Int32, changes: npt.ArrayLike) -> Added:
    """An UPDATE frame: dw int32 [rows, columns] is changed in place; changes [k, columns], k <= rows: the rows that
    came."""
    given = check_changes(design, changes)
    rows, array = len(given), design.array
    if given.shape != (rows, array.columns) or rows > array.rows:
        raise ValueError(f"update has shape {given.shape}: must be [0..{array.rows}, {array.columns}]")
    low, high = limits(design)
    total = dw[:rows] + given
    dw[:rows] = np.clip(total, low, high)
    padded = np.zeros((rows, array.groups * array.lanes), np.bool_)
    padded[:, : array.columns] = given != 0
    visited: npt.NDArray[np.bool_] = np.asarray(padded.reshape(rows, array.groups, array.lanes).any(axis=2))
    touched = np.zeros(array.rows, np.bool_)
    touched[:rows] = np.any(visited, axis=1)
    return Added(touched=touched, visits=int(visited.sum()), clips=int(np.count_nonzero(dw[:rows] != total)))


def add_cells(design: Design, dw: Int32, rows: npt.ArrayLike, columns: npt.ArrayLike, changes: npt.ArrayLike) -> Added:
    """A SPARSE frame: rows, columns, changes [n], in order; dw int32 [rows, columns] is changed in place."""
    low, high = limits(design)
    touched = np.zeros(design.array.rows, np.bool_)
    visits = clips = wrong = 0
    given = zip(
        np.asarray(rows).tolist(), np.asarray(columns).tolist(), check_changes(design, changes).tolist(), strict=True
    )
    for row, column, change in given:
        if not (0 <= row < design.array.rows and 0 <= column < design.array.columns):
            wrong += 1
            continue
        total = int(dw[row, column]) + change
        dw[row, column] = min(max(total, low), high)
        clips += int(dw[row, column] != total)
        visits += 1
        touched[row] = True
    return Added(touched=touched, visits=visits, clips=clips, wrong=wrong)
