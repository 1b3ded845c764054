"""A bench that runs one stimulus twice: through amaranth.sim, and through the emitted text on Icarus Verilog."""

import importlib.util
import random
import re
import subprocess
from pathlib import Path

import pytest
from amaranth import Cat, ClockDomain, Module
from amaranth.sim import Simulator

from crosstrain_hdl.emit import flat_ports, reset_port

TESTBENCH = """\
`timescale 1ns/1ps
module testbench;
  reg clk = 0;
  reg [{last_bit}:0] stimulus [0:{last}];
  reg [{last_bit}:0] now;
  wire [{last_out}:0] seen;
  integer step;
  {top} dut (.clk(clk), {connections});
  initial begin
    $readmemh("stimulus.hex", stimulus);
    for (step = 0; step <= {last}; step = step + 1) begin
      now = stimulus[step];
      #5 $display("%b", seen);
      clk = 1;
      #5 clk = 0;
    end
    $finish;
  end
endmodule
"""


class Bench:
    """Both runs give one string of 0, 1, x per step: the outputs in port order, just before the rising edge.

    A stimulus is a list of {input port: value}, where "reset" (1 while in reset, whatever the profile) is one more
    input. Each step: inputs change, outputs settle and are noted, the clock rises and falls.
    """

    def __init__(self, folder):
        self.folder = folder

    def stimulus(self, component, *, steps, seed, reset_steps=2, **chosen):
        """Seeded random inputs, corners mixed in; `chosen` gives {port: function(rng, step)}."""
        rng = random.Random(seed)
        made = []
        for step in range(steps):
            row = {"reset": int(step < reset_steps)}
            for name, (value, is_input) in flat_ports(component).items():
                if is_input:
                    corners = (0, (1 << len(value)) - 1, 1 << (len(value) - 1), (1 << (len(value) - 1)) - 1)
                    drawn = rng.choice(corners) if rng.random() < 0.3 else rng.getrandbits(len(value))
                    row[name] = int(chosen[name](rng, step)) if name in chosen else drawn
            made.append(row)
        return made

    def record(self, component, stimulus, *, profile):
        """What amaranth.sim says."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync", async_reset=profile == "asic")
        m.submodules.dut = component
        ports = flat_ports(component)
        outputs = [value for value, is_input in ports.values() if not is_input]
        places, width = {}, 0
        for name, (value, is_input) in ports.items():
            if is_input:
                places[name], width = width, width + len(value)
        inputs = Cat(ports[name][0] for name in places)
        seen = []

        async def drive(ctx):
            for row in stimulus:
                ctx.set(domain.rst, row["reset"])
                word = sum(row[name] << place for name, place in places.items())
                ctx.set(inputs, word)  # at once, or the circuit would settle after each
                await ctx.delay(5e-9)
                seen.append("".join(f"{ctx.get(value.as_unsigned()):0{len(value)}b}" for value in outputs))
                ctx.set(domain.clk, 1)
                await ctx.delay(5e-9)
                ctx.set(domain.clk, 0)

        simulator = Simulator(m)
        simulator.add_testbench(drive)
        simulator.run()
        return seen

    def replay(self, texts, top, component, stimulus, *, profile, standard="2012"):
        """What the text says on Icarus Verilog."""
        ports = {name: (len(value), is_input) for name, (value, is_input) in flat_ports(component).items()}
        inputs = {name: width for name, (width, is_input) in ports.items() if is_input}
        connections, place = [], 0
        for name, width in inputs.items():
            connections.append(f".{name}(now[{place} +: {width}])")
            place += width
        connections.append(f".{reset_port(profile)}({'!' if profile == 'asic' else ''}now[{place}])")
        outputs = {name: width for name, (width, is_input) in ports.items() if not is_input}
        total = sum(outputs.values())
        high = total
        for name, width in outputs.items():
            high -= width
            connections.append(f".{name}(seen[{high} +: {width}])")
        words = []
        for row in stimulus:
            word, shift = 0, 0
            for name, width in inputs.items():
                word |= row[name] << shift
                shift += width
            words.append(f"{word | row['reset'] << place:x}")
        bench = TESTBENCH.format(
            top=top, last_bit=place, last=len(words) - 1, last_out=total - 1, connections=", ".join(connections)
        )
        (self.folder / "stimulus.hex").write_text("\n".join(words))
        (self.folder / "testbench.v").write_text(bench)
        for name, text in texts.items():
            (self.folder / name).write_text(text)
        compile_ = ["iverilog", f"-g{standard}", "-Wall", "-o", "sim.vvp", "testbench.v", *texts]
        built = subprocess.run(compile_, cwd=self.folder, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        ran = subprocess.run(["vvp", "-n", "sim.vvp"], cwd=self.folder, capture_output=True, text=True, check=True)
        return re.findall(r"^[01xz]+$", ran.stdout, re.MULTILINE)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def samples():
    """The module `emit_samples.py` of this folder."""
    spec = importlib.util.spec_from_file_location("emit_samples", Path(__file__).with_name("emit_samples.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
