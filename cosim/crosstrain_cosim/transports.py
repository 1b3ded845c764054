"""What the generated driver talks to in each lane: `write32`, `read32`, `send_frame`, `receive_frame`.

The driver is the one a laboratory runs against the chip. It is synchronous; inside cocotb it runs in a thread of its
own (`cocotb.task.bridge`) and its transport comes back into the simulation for every access (`resume`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cocotb.task import resume
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from crosstrain_cosim.script_transport import ScriptTransport, checked
from crosstrain_cosim.simulated import Simulated
from crosstrain_model import frames
from crosstrain_model.design import Design
from crosstrain_model.port import adc_codes


def simulated_transport(lane: Simulated) -> ScriptTransport:
    """The transport of the fast cocotb lane; call the driver through `bridge`."""
    return ScriptTransport(resume(lane.ask))


class PinTransport:
    """Over the pins of a cocotb simulation, with the bus models of cocotbext-axi; call the driver through `bridge`.

    pauses : called with a name, gives an iterator of booleans: cycles in which that channel pauses; None: never
    """

    def __init__(self, dut: Any, design: Design, pauses: Any = None):
        self.slot, self.result = frames.slot_bits(design), frames.result_bits(design)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk)
        lanes = {"byte_lanes": frames.beat_bits(design) // self.slot}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, **lanes)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, byte_lanes=adc_codes(design))
        self.read32 = resume(self.read_register)
        self.write32 = resume(self.write_register)
        self.send_frame = resume(self.send)
        self.receive_frame = resume(self.receive)
        if pauses:
            read, write = self.registers.read_if, self.registers.write_if
            channels = {
                "aw": write.aw_channel, "w": write.w_channel, "b": write.b_channel, "ar": read.ar_channel,
                "r": read.r_channel, "s_axis": self.source, "m_axis": self.sink,
            }  # fmt: skip
            for name, channel in channels.items():
                channel.set_pause_generator(pauses(name))

    async def read_register(self, address: int) -> int:
        answer = await self.registers.read(address, 4)
        checked(int(answer.resp), f"read of 0x{address:03x}")
        return int.from_bytes(answer.data, "little")

    async def write_register(self, address: int, value: int, length: int = 4) -> None:
        answer = await self.registers.write(address, value.to_bytes(length, "little"))
        checked(int(answer.resp), f"write of 0x{value:x} to 0x{address:03x}")

    async def send(self, codes: Sequence[int], user: int) -> None:
        mask = (1 << self.slot) - 1
        await self.source.send(AxiStreamFrame([int(code) & mask for code in codes] or [0], tuser=user))
        await self.source.wait()

    async def receive(self) -> tuple[list[int], int]:
        frame = await self.sink.recv(compact=False)
        users = frame.tuser if isinstance(frame.tuser, list) else [frame.tuser]
        codes = np.array(frame.tdata, dtype=np.int64)
        half = 1 << (self.result - 1)
        return ((codes ^ half) - half).tolist(), int(users[-1])
