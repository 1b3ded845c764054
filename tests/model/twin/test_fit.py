"""Fitting devices: the parameters of simulated ones come back, from their own CSV text."""

import dataclasses

import numpy as np
import pytest

from crosstrain_model.design import Design
from crosstrain_model.design_device import Device
from crosstrain_model.device_presets import device_preset
from crosstrain_model.errors import UserError
from crosstrain_model.twin.device import ONE
from crosstrain_model.twin.fit import fit
from crosstrain_model.twin.measured import Trace, read, to_csv, traces
from crosstrain_model.twin.response import row_of_devices, run_of_pulses

HEAD = "device,pulse,direction,conductance\n"
WAYS = "up, set, +1, 1, down, reset, -1"


def simulate(device, pulses, cycles=1, devices=400, seed=3, scale=1.0, offset=0.0):
    rising = np.tile(np.arange(2 * pulses) < pulses, cycles)
    trace = offset + scale * run_of_pulses(row_of_devices(Design(device=device), devices, seed=seed), rising) / ONE
    return [Trace(device=f"d{n}", conductance=trace[:, n], rising=rising) for n in range(devices)]


@pytest.mark.parametrize(
    ("fields", "pulses"),
    [
        (device_preset("soft-bounds-20"), 60),
        (device_preset("soft-bounds-100"), 300),
        (device_preset("soft-bounds-20") | {"noise_base": "step", "sigma_cc": 0.2}, 60),
        (device_preset("soft-bounds-20") | {"sigma_cc": 0.0}, 60),
        (device_preset("soft-bounds-20") | {"asymmetry": 0.2, "sigma_b_low": 0.1, "step": 0.07}, 60),
        (device_preset("reram-om"), 63),
    ],
)
def test_the_parameters_come_back(fields, pulses):
    """400 devices: deviations by quartiles within three of their standard errors of 1.17 / sqrt(400), and 3 %."""
    device = Device(**fields)
    found = fit(simulate(device, pulses, scale=5.0, offset=-20.0))
    got = found.device
    assert (found.devices, found.still, found.pulses) == (400, 0, 400 * 2 * pulses)
    assert abs(found.centre + 20) < 0.1
    assert abs(found.half / 5 - 1) < 0.02
    assert abs(got.step / device.mean_step - 1) < 3 * max(device.sigma_dd, 0.1) * 1.25 / 20 + 0.01
    assert got.states == round(2 / got.step)
    low = device.sigma_b if device.sigma_b_low < 0 else device.sigma_b_low
    for name, true in (("sigma_dd", device.sigma_dd), ("sigma_b", device.sigma_b), ("sigma_b_low", low)):
        assert abs(getattr(got, name) / true - 1) < 3 * 1.17 / 20 + 0.03, name
    assert abs(got.sigma_pm - device.sigma_pm) < 0.03
    assert abs(got.asymmetry - device.asymmetry) < 0.03
    assert abs(got.sigma_cc - device.sigma_cc) < 0.02
    if device.sigma_cc:
        assert got.noise_base == device.noise_base


def test_any_unit_gives_the_same_device():
    found = [fit(simulate(Device(sigma_cc=0.3), 100, devices=20, scale=s, offset=s)) for s in (1.0, 2.0**-40, 2.0**40)]
    assert found[0].device == found[1].device == found[2].device


def test_still_and_broken_devices_do_not_move_the_others():
    good = simulate(Device(sigma_dd=0.3, sigma_cc=0.1), 100, devices=60)
    stuck = [dataclasses.replace(good[n], device=f"s{n}", conductance=np.full(201, 0.3)) for n in range(3)]
    clean, found = fit(good), fit(good + stuck)
    assert found.still == 3
    assert abs(found.device.step / clean.device.step - 1) < 0.01
    assert found.device.sigma_cc == clean.device.sigma_cc
    assert abs(found.half / clean.half - 1) < 0.01


def test_one_device_is_enough():
    found = fit(simulate(Device(states=40), 100, devices=1))
    assert abs(found.device.step - 0.05) < 1e-3
    assert (found.device.sigma_dd, found.device.sigma_pm, found.device.sigma_b, found.device.sigma_b_low) == (0,) * 4
    assert found.device.sigma_cc < 0.01


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: dataclasses.replace(t, conductance=t.conductance[:8], rising=t.rising[:7]), "d0: has 7 pulses up"),
        (lambda t: dataclasses.replace(t, rising=~np.zeros_like(t.rising)), "d0: has 0 pulses down: must be"),
        (lambda t: dataclasses.replace(t, conductance=t.conductance * 0), "no range to fit"),
        (lambda t: dataclasses.replace(t, rising=~t.rising), "x.csv: .*(no range to fit|no device answers)"),
    ],
)
def test_what_cannot_be_fitted_is_said(change, text):
    with pytest.raises(UserError, match=text):
        fit([change(t) for t in simulate(Device(), 50, devices=3)], "x.csv")


def test_csv_reads_back_equal():
    written = simulate(Device(sigma_cc=0.3), 7, devices=3, scale=0.1)
    back = traces("x.csv", to_csv(written))
    for mine, other in zip(written, back, strict=True):
        assert mine.device == other.device
        assert np.array_equal(mine.conductance, other.conductance)
        assert np.array_equal(mine.rising, other.rising)


def test_csv_takes_what_laboratories_write():
    text = "# bench 3\n\nConductance , note, PULSE,direction,device\n1.5,,10,,a\n2.5,\"x,y\",0,RESET,b\n"
    text += "2e-6,,11,set,a\n1,,1,-1,b\n3,,12,+1,a\n,,,,\n"
    a, b = traces("x.csv", text)
    assert (a.device, a.conductance.tolist(), a.rising.tolist()) == ("a", [1.5, 2e-6, 3.0], [True, True])
    assert (b.device, b.conductance.tolist(), b.rising.tolist()) == ("b", [2.5, 1.0], [False])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv: is empty: must begin with the heading device,pulse,direction,conductance"),
        (HEAD, "x.csv: has no rows under its heading"),
        ("device;pulse\n", "x.csv: line 1: no column device in heading device;pulse"),
        ("device,pulse,conductance\n", "x.csv: line 1: no column direction in heading device, pulse, conductance"),
        (HEAD + "a,0,,1\na,1,up\n", "x.csv: line 3: has 3 of 4 columns"),
        (HEAD + "a,0,,1\na,1,up,x\n", 'x.csv: line 3: conductance = "x": must be a finite number'),
        (HEAD + "a,0,,nan\n", 'x.csv: line 2: conductance = "nan": must be a finite number'),
        (HEAD + "a,one,,1\n", 'x.csv: line 2: pulse = "one": must be an integer'),
        (HEAD + "a,0,,1\nb,0,,1\na,2,up,1\n", "x.csv: line 4: pulse = 2: must be 1, the next of device a"),
        (HEAD + "a,0,,1\na,1,left,1\n", f'x.csv: line 3: direction = "left": must be one of {WAYS}'),
        (HEAD + 'a,0,,1\n"a,1,up,1\n', "x.csv: line 3: unexpected end of data"),
    ],
)
def test_bad_csv_is_one_line(text, message):
    with pytest.raises(UserError) as caught:
        traces("x.csv", text)
    assert str(caught.value) == message


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "b.csv").write_bytes(HEAD.encode() + b"a,0,,\xff\n")
    wrong = {"none.csv": "No such file or directory", ".": "Is a directory", "b.csv": "line 2: not UTF-8"}
    for name, message in wrong.items():
        with pytest.raises(UserError, match=message):
            read(str(tmp_path / name))
