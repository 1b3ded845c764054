"""What tests of the generated driver share: a transport without a chip."""

import pytest


class Memory:
    """A transport onto a dictionary: registers hold what was written, and have no rules."""

    def __init__(self, module):
        self.words = {address: reset for address, _, reset, _ in module.REGISTERS.values()}
        self.frames, self.results, self.refuses = [], [], set()

    def write32(self, address, value):
        if address in self.refuses:
            raise OSError("SLVERR")
        assert 0 <= value < 2**32
        self.words[address] = value

    def read32(self, address):
        return self.words[address]

    def send_frame(self, codes, user):
        self.frames.append((codes, user))

    def receive_frame(self):
        return self.results.pop(0)


@pytest.fixture
def memory_of():
    """A function that makes such a transport for the module of a driver, with its registers at their reset values."""
    return Memory
