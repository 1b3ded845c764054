"""Time and memory of `crosstrain generate` on the largest preset, as a user pays them.

    python benchmarks/generate_cost.py [--design mp-512] [--json FILE]

Runs the command in a process of its own, Yosys below it, and adds up what the whole process tree keeps resident, looked
at every 20 ms. Exit status 1 when it takes 20 s or more, or 2 GiB or more. Linux only (/proc).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import report

SECONDS, BYTES = 20, 2 * 2**30
"""What it must stay under."""


def tree(root):
    """Process ids of a process and of everything below it that lives."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def resident(processes):
    """Bytes resident of all processes; pages they share count once for each."""
    total = 0
    for process in processes:
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


def measure(design, folder):
    """Run it once: (seconds, peak bytes, result of the command)."""
    out = Path(folder) / "result.json"
    argv = [sys.executable, "-m", "crosstrain", "generate", design, "-o", str(folder), "--json", str(out)]
    started, peak = time.perf_counter(), 0
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, resident(tree(process.pid)))
            time.sleep(0.02)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(process.returncode)
    return seconds, peak, json.loads(out.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", default="mp-512", help="preset or TOML file (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the result to FILE as one JSON object")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crosstrain_generate_") as folder:
        seconds, peak, made = measure(args.design, folder)
        size = sum(file.stat().st_size for file in Path(made["folder"]).rglob("*") if file.is_file())
    print(f"{args.design}: {seconds:.1f} s (under {SECONDS}), {peak / 2**20:.0f} MiB (under {BYTES / 2**20:.0f})")
    print(f"{len(made['files'])} files, {size / 2**10:.0f} KiB; {made['state_bits']:,} flip-flops")
    figures = {
        "design": args.design,
        "seconds": round(seconds, 3),
        "seconds_limit": SECONDS,
        "peak_bytes": peak,
        "peak_bytes_limit": BYTES,
        "files": len(made["files"]),
        "bytes": size,
        "state_bits": made["state_bits"],
        "memory_bits": made["memory_bits"],
    }
    return report("generate_cost", figures, seconds < SECONDS and peak < BYTES, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
