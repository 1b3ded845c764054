"""Every relative link of README, changelog and docs leads to a file, and to a heading where it names one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def dead_links(page: Path, text: str) -> list[str]:
    found = []
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    assert dead_links(page, page.read_text()) == []


def test_dead_links_are_found():
    text = "[a](docs/none.md) [b](docs/devices.md#no-such-heading) [c](docs/devices.md#see-one) [d](https://x.y/z)"
    assert dead_links(ROOT / "README.md", text) == ["docs/none.md", "docs/devices.md#no-such-heading"]


def test_every_page_is_in_the_list_of_the_readme():
    listed = set(LINK.findall((ROOT / "README.md").read_text()))
    assert [page.name for page in PAGES[2:] if f"docs/{page.name}" not in listed] == []
