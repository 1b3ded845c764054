"""What is asked of a design beyond its fields before work on it starts."""

from __future__ import annotations

import argparse

from crosstrain_model.errors import UserError
from crosstrain_model.section import one_line


def check_design(args: argparse.Namespace) -> None:
    """Refuse a design with pulse trains whose random streams are not good enough for them; a second or two."""
    if not args.design.pulsed:
        return
    from crosstrain_model.random_lint import check

    try:
        check(args.design)
    except UserError as error:
        raise UserError(f"{one_line(args.source)}: {error}") from None
