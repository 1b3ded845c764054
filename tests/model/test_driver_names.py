"""Names and ranges that the generated driver is given: a wrong one is told in one line, before anything is written."""

import pytest

from crosstrain_model.design_file import load_design
from crosstrain_model.register_files import driver_module

SCHEMES = ("mp-8", "wu-8", "sgd-8", "ttv2-8", "agad-8", "hic-8")


def _calls(module, driver):
    """Every way to give the driver a name: [the call, what it says]."""
    nearest = rf"nearest of {len(module.REGISTERS)} are TIMEOUT, \w+, \w+$"
    fields, status, commands, events = (
        ", ".join(names)
        for names in (module.FIELDS, *(module.FIELDS[name] for name in ("STATUS", "COMMAND", "IRQ_STATUS")))
    )
    yield lambda: driver.read("TIMOUT"), f"no register TIMOUT; {nearest}"
    yield lambda: driver.write("TIMOUT", 1), f"no register TIMOUT; {nearest}"
    yield lambda: driver.fields("TIMOUT"), f"no register TIMOUT; {nearest}"
    yield lambda: driver.read("timeout"), f"no register timeout; {nearest}"
    yield lambda: driver.read(["TIMEOUT"]), r"no register \['TIMEOUT'\]; nearest"
    yield lambda: driver.read("a\nb" * 50), r"no register 'a\\nba\\n.{0,40}; nearest"
    yield lambda: driver.fields("TIMEOUT"), f"no register with fields TIMEOUT; there are {fields}$"
    yield lambda: driver.fields("STATUS")["idel"], f"no field of STATUS idel; there are {status}$"
    yield lambda: driver.wait_for(lambda status: status["idel"], "it"), "no field of STATUS idel; there are "
    yield lambda: driver.command("abrot"), f"no command abrot; there are {commands}$"
    yield lambda: driver.configure(timout=1), "no setting timout; there are .*timeout"
    yield lambda: driver.counters()["vectros"], r"no counter vectros; (there|nearest of \d+) are vectors, "
    yield lambda: driver.totals()["x"], "no total x; there are none$"
    yield lambda: driver.irq_enable("refused", "refsued"), f"no event refsued; there are {events}$"
    yield lambda: driver.irq_clear("refsued"), f"no event refsued; there are {events}$"
    yield lambda: driver.irq_enable(["refused"]), r"no event \['refused'\]; there are "


@pytest.fixture
def made(memory_of):
    """A function that gives the driver's module of a design, a driver, its transport, and what that holds now."""

    def make(name, changes=()):
        module = driver_module(load_design(name, changes))
        memory = memory_of(module)
        return module, module.Driver(memory), memory, dict(memory.words)

    return make


@pytest.mark.parametrize("name", SCHEMES)
def test_a_wrong_name_is_told_with_those_there_are(made, name):
    module, driver, memory, before = made(name)
    for call, message in _calls(module, driver):
        with pytest.raises(ValueError, match=f"^{name}: {message}") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert memory.words == before


@pytest.mark.parametrize(("name", "memories"), [("wu-8", "dW, W, plus, minus"), ("agad-8", "H, P, P_ref")])
def test_a_wrong_memory_or_value_is_told_before_anything_is_written(made, name, memories):
    module, driver, memory, before = made(name)
    last = memories.split(", ")[-1]
    bits, half = module.MEMORY_BITS[last], last != "minus"
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if half else (0, (1 << bits) - 1)
    cells = [[low] * 8 for _ in range(7)]
    for call, message in (
        (lambda: driver.dump_memory("p"), f"no memory p; there are {memories}$"),
        (lambda: driver.load_memory("p", []), f"no memory p; there are {memories}$"),
        (lambda: driver.load_memory(last, cells), f"{last} must be 8 rows of 8$"),
        (lambda: driver.load_memory(last, [*cells, [high + 1] * 8]), f"{last} must be {low}..{high}$"),
        (lambda: driver.load_memory(last, [*cells, [low - 1] * 8]), f"{last} must be {low}..{high}$"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            call()
    assert memory.words == before
    driver.load_memory(last, [*cells, [high] * 8])
    assert memory.words != before


def test_memories_are_those_of_the_design(made):
    module, driver, _, _ = made("agad-8", ["transfer.memory=last"])
    assert module.MEMORIES == list(module.MEMORY_BITS) == ["H", "P_ref"]
    with pytest.raises(ValueError, match="no memory P; there are H, P_ref"):
        driver.dump_memory("P")
    assert made("sgd-8")[0].MEMORIES == []


def test_wrong_streams_are_told_before_anything_is_written(made):
    module, driver, memory, before = made("agad-8")
    words = [7] * module.STREAM_WORDS
    with pytest.raises(ValueError, match="^agad-8: no stream columms; there are rows, columns$"):
        driver.seed({"rows": words, "columms": words})
    with pytest.raises(ValueError, match="^agad-8: stream columns has 2 words, must have 1$"):
        driver.seed({"rows": words, "columns": [7, 7]})
    assert memory.words == before
    driver.seed({"rows": words})
    assert memory.words != before


@pytest.mark.parametrize("name", SCHEMES)
def test_a_state_of_another_scheme_is_told_before_anything_is_written(made, name):
    module, driver, memory, _ = made(name)
    state = driver.state()
    assert sorted(state) == sorted(module.STATE)
    driver.restore(state)
    before = dict(memory.words)
    for part in state:
        rest = {key: value for key, value in state.items() if key != part}
        with pytest.raises(ValueError, match=f"^{name}: the state has no {part}: is it of another design"):
            driver.restore(rest)
    other = made("wu-8" if name != "wu-8" else "mp-8")[1].state()
    with pytest.raises(ValueError, match=f"^{name}: "):
        driver.restore(other)
    assert memory.words == before


def test_ranges_of_rows_values_and_polls(made):
    _, driver, memory, before = made("mp-8")
    for row in (-1, 8):
        with pytest.raises(ValueError, match=f"^mp-8: row {row} must be 0..7$"):
            driver.set_touched_rows([0, row])
    for value in (1 << 32, -(1 << 31) - 1):
        with pytest.raises(ValueError, match=f"{value} for GUARD must be -2147483648..4294967295$"):
            driver.write("GUARD", value)
    with pytest.raises(ValueError, match="^mp-8: it: polls = 0 must be at least 1$"):
        driver.wait_for(lambda status: True, "it", polls=0)
    with pytest.raises(ValueError, match="no setting gard; "):
        driver.configure(guard=7, gard=1)
    assert memory.words == before
    driver.configure(GUARD=7)
    assert driver.read("GUARD") == 7


@pytest.mark.parametrize("name", ["wu-8", "agad-8"])
def test_accumulators_are_meant_whatever_memory_was_selected(made, name):
    module, driver, memory, _ = made(name)
    zeros = [[0] * module.COLUMNS for _ in range(module.ROWS)]
    calls = [
        driver.dump_accumulators,
        lambda: driver.load_accumulators(zeros),
        lambda: driver.read_accumulator(1, 2),
        lambda: driver.write_accumulator(1, 2, 3),
    ]
    for call in calls:
        driver.write("MEM_SELECT", 1)
        call()
        assert memory.words[module.REGISTERS["MEM_SELECT"][0]] == 0
    last = module.MEMORIES[-1]
    driver.write_cell(last, 1, 2, 3)
    assert memory.words[module.REGISTERS["MEM_SELECT"][0]] == module.MEMORY_NUMBERS[last] > 0
    assert memory.words[module.REGISTERS["MEM_ADDRESS"][0]] == 1 << 20 | (2 // module.LANES) << 8 | 2 % module.LANES
    assert (driver.read_cell(last, 1, 2), driver.read_accumulator(1, 2)) == (3, 3)  # a transport without memories
