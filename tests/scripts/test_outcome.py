"""How runs end: whose fault it was, signals, readers that leave, full disks."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from crosstrain.cli import main
from crosstrain_model.design import refuse
from crosstrain_model.errors import UserError
from crosstrain_model.files import FileError

INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""First line of a program that is interrupted: jobs in the background are started with SIGINT ignored."""
PYTHON = [sys.executable, "-m", "crosstrain"]


def shell(*args: str, **options) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "check": False} | options
    return subprocess.run([*PYTHON, *args], **options)


def ours(value, body="raise value"):
    """Work that runs inside one of our packages, as a command's does; by default it raises `value`."""
    scope = {"__name__": "crosstrain_model.pretend"}
    exec(f"def work(value):\n    {body}\n", scope)
    return lambda: scope["work"](value)


# --- whose fault: ours keeps its traceback ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("train: epochs = 0: must be 1..1000"), "train: epochs = 0: must be 1..1000"),
        (refuse("array.lanes", 9, "must be 1..8"), "array.lanes = 9: must be 1..8"),
        (UserError("two\nlines"), "two lines"),
        (FileError("out", "is not empty: not replaced"), "out: is not empty: not replaced"),
        (FileNotFoundError(2, "No such file or directory", "mnist/train"), "mnist/train: No such file or directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "output: No space left on device"),
        (ModuleNotFoundError("No ...", name="torch.nn"), "torch.nn is not installed: pip install 'crosstrain[all]'"),
    ],
)
def test_errors_for_the_user(command, capsys, error, message):
    command(ours(error))
    assert main(["fake", "mp-8", "--json", "r.json"]) == 2
    assert capsys.readouterr().err == f"crosstrain: {message}\n"
    assert main(["fake", "mp-8", "-v"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith(f"crosstrain: {message}\n")
    assert not os.path.exists("r.json")


def faults():
    return {
        "numpy": lambda: np.zeros(3) + np.zeros(4),
        "python": ours("x", "return int(value)"),
        "module of ours": ours(ModuleNotFoundError("No ...", name="crosstrain_model.lost")),
        "numpy in ours": ours(np, "return value.zeros(3) + value.zeros(4)"),
        "assert": ours(AssertionError("a mistake of ours")),
        "key": lambda: {}["key"],
        "result": lambda: {"value": object()},
        "foreign": lambda: (_ for _ in ()).throw(ValueError("thrown, not raised by us")),
        "os": lambda: os.waitpid(2**30, 0),
    }


@pytest.mark.parametrize("fault", faults())
def test_faults_of_ours_keep_their_traceback(command, capsys, fault):
    command(faults()[fault])
    assert main(["fake", "mp-8", "--json", "r.json"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("crosstrain: internal error: ")
    assert not os.path.exists("r.json")


# --- interruptions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "line"), [((), "interrupted"), (("stopped; --resume continues",), None)])
def test_ctrl_c(command, capsys, said, line):
    command(ours(KeyboardInterrupt(*said)))
    assert main(["fake", "mp-8"]) == 130
    assert capsys.readouterr().err == f"crosstrain: {line or said[0]}\n"


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [(signal.SIGINT, 130, "crosstrain: interrupted\n"), (signal.SIGTERM, 143, "crosstrain: terminated\n")],
)
def test_signals_leave_nothing_half_written(tmp_path, number, status, line):
    program = (
        f"{INTERRUPTIBLE}import sys, types, time\n"
        "from crosstrain import cli\n"
        "from crosstrain.options import add_command\n"
        "from crosstrain_model.files import fresh_folder\n"
        "def run(args):\n"
        "    with fresh_folder('out') as folder:\n"
        "        (folder / 'half').touch(); print('ready', flush=True); time.sleep(60)\n"
        "module = types.ModuleType('crosstrain.command_slow')\n"
        "module.add = lambda subparsers: add_command(subparsers, 'slow', help='wait', design=False)\n"
        "module.run = run\n"
        "sys.modules[module.__name__] = module; cli.command_names = lambda: ['slow']\n"
        "sys.exit(cli.main(['slow']))\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (status, line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "status", "last"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted"),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, "terminated"),
        ("raise ValueError('a mistake')", 3, "internal error: ValueError: a mistake"),
    ],
)
def test_hardware_half_built_is_not_complained_about(ending, status, last):
    program = (
        f"{INTERRUPTIBLE}import os, signal, sys, types\n"
        "from amaranth.hdl import Elaboratable\n"
        "from crosstrain import cli\n"
        "from crosstrain.options import add_command\n"
        "def run(args):\n"
        "    parts = [Elaboratable(), Elaboratable()]\n"
        f"    {ending}\n"
        "module = types.ModuleType('crosstrain.command_build')\n"
        "module.add = lambda subparsers: add_command(subparsers, 'build', help='build', design=False)\n"
        "module.run = run\n"
        "sys.modules[module.__name__] = module; cli.command_names = lambda: ['build']\n"
        "sys.exit(cli.main(['build']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (status, f"crosstrain: {last}")
    assert "Elaboratable" not in done.stderr.replace("parts = [Elaboratable(), Elaboratable()]", "")
    assert "never used" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves(unbuffered):
    read, write = os.pipe()
    os.close(read)
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = shell("presets", stdout=write, stderr=subprocess.PIPE, capture_output=False, env=env)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_standard_output(unbuffered):
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = shell("presets", stdout=full, stderr=subprocess.PIPE, capture_output=False, env=env)
    assert (done.returncode, done.stderr) == (2, "crosstrain: output: No space left on device\n")


def test_closed_streams():
    done = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *PYTHON, "presets"], check=False)
    assert done.returncode == 0
