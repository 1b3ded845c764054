"""Progress of long work: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crosstrain_model.training.run import Run


@contextlib.contextmanager
def training_progress(training: Run) -> Iterator[Callable[[Run], None]]:
    """Yields what a run calls after every batch; progress goes to standard error."""
    if not sys.stderr.isatty():
        yield _line_per_epoch
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    texts = (TextColumn("epoch {task.fields[epoch]}"), TextColumn("{task.fields[said]}"))
    columns = (BarColumn(), *texts, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("train", total=training.batches, completed=training.history.batches, epoch="", said="")

        def listen(run: Run) -> None:
            epoch = min(run.history.batches // run.epoch_batches + 1, run.plan.epochs)
            said = _accuracies(run) if run.history.rows else ""
            bar.update(task, completed=run.history.batches, epoch=f"{epoch}/{run.plan.epochs}", said=said)

        yield listen


def _line_per_epoch(run: Run) -> None:
    if run.history.batches % run.epoch_batches == 0:
        epoch = run.history.batches // run.epoch_batches
        print(f"epoch {epoch:3d}/{run.plan.epochs}: {_accuracies(run)}", file=sys.stderr, flush=True)


def _accuracies(run: Run) -> str:
    accuracy, golden, pulses = run.history.rows[-1][:3]
    return f"tiles {accuracy:.2f} %, golden {golden:.2f} %, {int(pulses):,} pulses"
