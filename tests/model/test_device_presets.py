"""Devices that ship: legal, complete, taken by name, and overridden by what a file says itself."""

import pytest

from crosstrain_model.design_device import Device, GradientDevice
from crosstrain_model.design_file import DesignError, load_design, resolve_toml
from crosstrain_model.device_presets import device_preset, device_preset_names

NAMES = ("hfo2", "reram-om", *(f"soft-bounds-{n}" for n in (10, 20, 40, 100, 200, 400)))


def test_the_names():
    assert device_preset_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_legal_device(name):
    device = GradientDevice(**device_preset(name))
    assert device.preset == name
    assert device.states == round(2 / device.mean_step)
    assert (device.sigma_dd > 0, device.sigma_cc > 0, device.noise_base) == (True, True, "zero")


def test_published_numbers():
    om, hfo2 = (Device(**device_preset(name)) for name in ("reram-om", "hfo2"))
    numbers = [(d.step, d.sigma_dd, d.sigma_cc, round(d.sigma_b, 2), round(d.sigma_b_low, 2)) for d in (om, hfo2)]
    assert numbers == [(0.0949, 0.7829, 0.4158, 0.35, 0.57), (0.4622, 0.7125, 0.2174, 0.43, 0.60)]


def test_a_file_names_one_and_says_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[device]\nsigma_cc = 0.1\npreset = "hfo2"\n[gradient_device]\npreset = "soft-bounds-40"\n')
    design = load_design(str(path))
    assert design.device == Device(**device_preset("hfo2") | {"sigma_cc": 0.1})
    assert design.gradient_device == GradientDevice(**device_preset("soft-bounds-40"))
    again = tmp_path / "again.toml"
    again.write_text(resolve_toml(design))
    assert load_design(str(again)) == design


def test_set_takes_the_whole_device():
    """mp-8 says sigma_dd and states itself: naming a device leaves nothing of that, other overrides count."""
    design = load_design("mp-8", ["device.sigma_pm=0.5", "device.preset=reram-om", "device.sigma_cc=0"])
    assert design.device == Device(**device_preset("reram-om") | {"sigma_pm": 0.5, "sigma_cc": 0.0})
    assert load_design("mp-8", ["device.preset="]).device == Device()


def test_an_unknown_one_is_refused(tmp_path):
    with pytest.raises(DesignError, match=r'device.preset = "reram": must be one of "", hfo2, reram-om'):
        load_design("mp-8", ["device.preset=reram"])
    path = tmp_path / "bad.toml"
    path.write_text("[device]\npreset = [1]\n")
    with pytest.raises(DesignError, match=r"device.preset = \[1\]: must be one of"):
        load_design(str(path))
