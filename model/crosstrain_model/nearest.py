"""The nearest known word to a misspelt one, for error messages."""

from __future__ import annotations

from collections.abc import Sequence


def nearest(word: str, known: Sequence[str]) -> str:
    """The word of `known` most like `word`; of a dotted name the last part may do (`rows` for `array.rows`)."""
    from difflib import SequenceMatcher  # only ever needed once something is wrong

    def alike(left: str, right: str) -> float:
        return SequenceMatcher(None, left, right).ratio()

    def last(dotted: str) -> str:
        return dotted.rpartition(".")[2]

    asked = word[:64].lower()

    def likeness(candidate: str) -> tuple[float, float]:
        whole = alike(asked, candidate.lower())
        return max(whole, alike(last(asked), last(candidate).lower())), whole

    return max(known, key=likeness)
