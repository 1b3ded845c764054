"""What training runs on MNIST share: their options, one seed after the other, and a folder of what is finished."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstrain.command_train import tile_factory
from crosstrain_model.design import Design
from crosstrain_model.design_file import design_hash
from crosstrain_model.files import write_text_atomic
from crosstrain_model.training.grid import TileFactory
from crosstrain_model.training.plan import Plan
from crosstrain_model.training.run import Run

Row = dict[str, Any]


def options(description: str, *, design: str | None, seeds: int, epochs: int, rate: float | None) -> Any:
    """The parser of every such experiment."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--design", default=design)
    parser.add_argument("--through", default="model", choices=("model", "rtl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, seeds + 1)))
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--schedule", default="cosine", choices=("constant", "cosine"))
    parser.add_argument("--calibrate", type=int, default=100, help="batches from one setting of ADC ranges to the next")
    parser.add_argument("--averaged", type=int, default=1, help="reads of a vector whose mean is the result")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the design")
    parser.add_argument("--data-dir", default=os.environ.get("CROSSTRAIN_DATA"), help="folder that holds mnist/")
    parser.add_argument("-o", metavar="FOLDER", help="keeps what is finished")
    parser.add_argument("--json", metavar="FILE", help="write the result to FILE as one JSON object")
    return parser


def one_seed(
    args: argparse.Namespace, design: Design, plan: Plan, more: Callable[[Run], Row] = lambda run: {}, *,
    listener: Callable[[Run], None] | None = None, factory: TileFactory | None = None, mark: str = "",
) -> Row:  # fmt: skip
    """The figures of one run, with what `more` finds in it at its end: run, or taken from the folder.

    listener : called after every batch, in place of `progress`
    factory : what builds tiles, if not what the plan says; mark : what makes such runs differ from others
    """
    kept = None
    if args.o:
        Path(args.o).mkdir(parents=True, exist_ok=True)
        asked = hashlib.sha256(json.dumps(dataclasses.asdict(plan), sort_keys=True).encode()).hexdigest()
        name = "-".join(part for part in (plan.through, plan.network, mark, design_hash(design)[:12]) if part)
        kept = Path(args.o) / f"{name}-{asked[:12]}-{plan.seed}.json"
        if kept.is_file():
            row: Row = json.loads(kept.read_text())
            return row
    start = time.process_time()
    run = Run(design, plan, factory or tile_factory(plan.through), data_dir=args.data_dir)
    run.learn(listener or progress)
    row = {"seed": plan.seed, **run.figures(), "epochs": run.history.rows, **more(run)}
    row["cpu_seconds"] = time.process_time() - start
    if kept is not None:
        write_text_atomic(kept, json.dumps(row, indent=2) + "\n")
    return row


def progress(run: Run) -> None:
    """A line after every epoch."""
    if run.history.batches % run.epoch_batches == 0:
        accuracy, golden = run.history.rows[-1][:2]
        epoch = run.history.batches // run.epoch_batches
        told = f"tiles {accuracy:.2f} %, golden {golden:.2f} %"
        print(f"  seed {run.plan.seed}, epoch {epoch}: {told}", flush=True)
