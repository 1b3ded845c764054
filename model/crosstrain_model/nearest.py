"""The nearest known word to a misspelt one, for error messages."""

from __future__ import annotations

from collections.abc import Sequence


def nearest(word: str, known: Sequence[str]) -> str:
    """The word of `known` most like `word`; a dotted name may be right in its last part alone (`rows` for `array.rows`)."""
    from difflib import SequenceMatcher  # only ever needed once something is wrong

    def likeness(candidate: str) -> tuple[float, float]:
        whole = SequenceMatcher(None, word[:64].lower(), candidate.lower()).ratio()
        last = SequenceMatcher(None, word[-64:].lower().rpartition(".")[2], candidate.lower().rpartition(".")[2]).ratio()
        return max(whole, last), whole

    return max(known, key=likeness)
