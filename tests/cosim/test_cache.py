"""Builds are made once, whole or not at all."""

import threading

import pytest

from crosstrain_cosim.cache import build_once, cache_root, digest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSTRAIN_CACHE", str(tmp_path / "cache"))


def test_digest_keeps_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(["a", "b"]) != digest(["a"], "b")
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})
    assert len({digest(1), digest(2), digest("1", ""), digest({"1": ""})}) == 4


def test_a_build_is_made_once():
    made = []

    def build(folder):
        made.append(folder)
        (folder / "out").write_text("done")

    first, second = build_once("kind", "key", build), build_once("kind", "key", build)
    assert first == second == cache_root() / "kind" / "key"
    assert len(made) == 1
    assert (first / "out").read_text() == "done"


def test_a_failed_build_leaves_nothing_and_can_be_made_again():
    def fails(folder):
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        build_once("kind", "key", fails)
    assert [path.name for path in (cache_root() / "kind").iterdir()] == ["key.lock"]
    assert build_once("kind", "key", lambda folder: (folder / "out").touch()).is_dir()


def test_what_a_killed_build_left_goes_with_the_next():
    left, other = (cache_root() / "kind" / name for name in ("key.a1b2", "keys.a1b2"))
    for folder in (left, other):
        folder.mkdir(parents=True)
    build_once("kind", "key", lambda folder: (folder / "out").touch())
    assert (left.exists(), other.exists()) == (False, True)


def test_two_at_a_time_make_one():
    entered, release, made = threading.Event(), threading.Event(), []

    def build(folder):
        made.append(folder)
        entered.set()
        assert release.wait(20)

    threads = [threading.Thread(target=build_once, args=("kind", "key", build)) for _ in range(2)]
    threads[0].start()
    assert entered.wait(20)
    threads[1].start()
    release.set()
    for thread in threads:
        thread.join(20)
    assert len(made) == 1
