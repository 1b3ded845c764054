"""Generation: everything that a design becomes, as one folder of text.

    files = generated_files(design)            # {path in the folder: text}
    folder = write(design, "build")            # build/<name>/, whole or not at all

The same design gives the same bytes on every machine: no dates, no paths of this machine, no unordered iteration, and
the versions of the tools that shape the text are named in the manifest. docs/generate.md lists the files.
"""

import contextlib
import json
from pathlib import Path

from crosstrain_hdl.emit import emit, reset_port
from crosstrain_hdl.generate_counts import memories
from crosstrain_hdl.generate_flow import IO_FRACTION, constraints, core_vlnv, file_list, librelane, render
from crosstrain_hdl.generate_manifest import GENERATOR, cycle_budget, manifest, to_json
from crosstrain_hdl.generate_ports import RESETS, top_ports
from crosstrain_hdl.generate_registers import rdl_text, svd_text
from crosstrain_hdl.generate_sim import (
    array_model_text,
    array_name,
    array_stub_text,
    checker_files,
    smoke_text,
    tile_text,
)
from crosstrain_hdl.tops import controller
from crosstrain_model import __version__
from crosstrain_model.cost import cycles_per_update, sweep_cycles
from crosstrain_model.design_text import hardware_hash, resolve_toml
from crosstrain_model.files import FileError, check_replaceable, fresh_folder
from crosstrain_model.register_files import register_files

MANIFEST = "manifest.json"
"""The file that makes a folder one of ours, which may be replaced."""

REGISTER_FILES = {
    "regs.md": "the register map, for people",
    "regs.h": "the register map, for C and C++",
    "regs.json": "the register map, for programs",
    "regs.svd": "the register map, as CMSIS-SVD",
    "regs.rdl": "the register map, as SystemRDL",
    "driver.py": "the driver of the registers and streams in Python, which needs nothing else",
}
"""Files made from the register table, and what they are."""


def rtl_files(design, *, component=None, names=None):
    """Verilog of the controller: {"<module>.v": text}, the top first. Whoever simulates a design takes this text.

    component : what to emit in place of the controller, for tests
    names : see `emit`
    """
    component = controller(design) if component is None else component
    header = f"{design.name}, made by crosstrain {__version__}, hardware hash {hardware_hash(design)[:16]}"
    return emit(component, name=design.top, profile=design.profile, header=header, names=names)


def generated_files(design, *, component=None):
    """Every file of the folder: {path: text}, paths relative to it with forward slashes, the manifest last.

    component : what to emit in place of the controller, for tests
    """
    component = controller(design) if component is None else component
    names = {}
    rtl = rtl_files(design, component=component, names=names)
    ports = top_ports(component, design)
    files = {f"rtl/{name}": text for name, text in rtl.items()}
    rtl_paths = list(files)
    stub, model = f"{design.top}_array_stub.v", f"sim/{array_name(design)}.v"
    tile, smoke = f"example/{design.top}_tile.v", f"sim/{design.top}_smoke.v"
    checker = {f"sim/{name}": text for name, text in checker_files(design).items()}
    files |= {
        "filelist.f": file_list(rtl_paths),
        stub: array_stub_text(design),
        tile: tile_text(design, ports),
        model: array_model_text(design),
        **checker,
        smoke: smoke_text(design, ports),
    }
    sim = [*checker, smoke]
    registers = {**register_files(design), "regs.svd": svd_text(design), "regs.rdl": rdl_text(design)}
    vlnv = core_vlnv(design, __version__)
    places = {"stub": stub, "tile": tile, "model": model, "checker": next(iter(checker)), "vlnv": vlnv}
    files |= {
        "sim/filelist.f": file_list([*rtl_paths, tile, model, *sim]),
        f"{design.name}.core": render("core.j2", design=design, rtl=rtl_paths, sim=sim, **places),
        f"{design.name}.sdc": constraints(design, ports, kind="sdc"),
        f"{design.name}.xdc": constraints(design, ports, kind="xdc"),
        "config.json": librelane(design, rtl_paths),
        **registers,
        "design.toml": resolve_toml(design),
        "README.md": readme(design, ports=ports, rtl=rtl, registers=registers, places=places),
    }
    files[MANIFEST] = to_json(manifest(design, ports=ports, rtl=rtl, files=files, names=names))
    return files


def readme(design, *, ports, rtl, registers, places):
    """The folder's README: what is what, how to lint, simulate and instantiate it."""
    part, whole = IO_FRACTION
    return render(
        "readme.j2",
        design=design,
        array=design.array,
        version=__version__,
        percent=100 * part // whole,
        registers=[(path, REGISTER_FILES[path]) for path in registers],
        ports=ports,
        reset_rule=reset_rule(design),
        sweep=sweep_cycles(design),
        vector=cycles_per_update(design),
        pulses=cycle_budget(design).get("pulses_at_most"),
        memories=memories(rtl, design.top),
        **places,
    )


def reset_rule(design):
    """One sentence about the reset of the design's profile."""
    name = reset_port(design.profile)
    return f"`{name}`: {RESETS[name]}."


def write(design, folder, *, component=None):
    """Write the folder `<folder>/<design.name>/` and return (its path, its files as `generated_files` gives them).

    folder : where it goes; made if only its last part is missing. A folder of this design that was generated before
        is replaced, at once and with all it holds; anything else at that place is refused
    component : what to emit in place of the controller, for tests

    Raises FileError (an OSError) of one line; then nothing has changed.
    """
    folder = Path(folder)
    target = folder / design.name
    check_target(folder, target)
    files = generated_files(design, component=component)
    with made(folder), fresh_folder(target, MANIFEST) as new:
        for path, text in files.items():
            place = new / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())
    return target, files


def check_target(folder, target):
    """Raise FileError where `write` would have to refuse, before any work is done."""
    if not folder.exists() and not folder.is_symlink():
        check_replaceable(folder)
        return
    check_replaceable(target, MANIFEST)
    place = target / MANIFEST
    if place.exists() and not _is_ours(place):
        raise FileError(target, f"its {MANIFEST} is not crosstrain's: not replaced")


def _is_ours(place):
    try:
        content = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("generator") == GENERATOR


@contextlib.contextmanager
def made(folder):
    """Makes the folder if it is not there, and takes it away again when what follows fails."""
    try:
        folder.mkdir()
    except FileExistsError:
        yield
        return
    except OSError as error:
        raise FileError(folder, error) from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
