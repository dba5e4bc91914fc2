"""The generated pages of the docs are up to date, and what the docs promise exists."""

import re
import struct
import textwrap
import zlib
from dataclasses import fields
from pathlib import Path

import pytest
from django.dispatch import Signal

from django_verify import conf, signals
from docs import (
    api,
    causes,
    commands,
    differences,
    errors,
    llms,
    pictures,
    screenshots,
    settings,
    site,
)
from docs import signals as signals_page
from tests.operations import OPERATIONS

ROOT = Path(__file__).parent.parent
ROOT_PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
PAGES = [*ROOT_PAGES, *sorted((ROOT / "docs").glob("*.md"))]


GENERATED = (api, causes, commands, errors, llms, signals_page)


@pytest.mark.parametrize("module", GENERATED, ids=lambda module: module.__name__)
def test_a_generated_page_is_up_to_date(module):
    assert module.PAGE.read_text() == module.page(), f"run python -m {module.__name__}"


def test_the_page_of_the_api_has_every_operation_and_its_differences():
    contract = {(one.method, one.path) for one in OPERATIONS}
    assert set(differences.DIFFERENCES) == contract
    headings = re.findall(r"^### (\w+) (\S+)$", api.PAGE.read_text(), re.MULTILINE)
    assert len(headings) == len(contract)
    assert set(headings) == contract


def test_every_argument_of_a_command_has_a_meaning():
    rows = re.findall(r"^\| `([^`]+)` \|.*\|(.*)\|$", commands.PAGE.read_text(), re.MULTILINE)
    assert len(rows) > 30
    assert not [name for name, meaning in rows if not meaning.strip()]


def test_the_page_of_settings_is_as_it_is_generated():
    assert settings.PAGE.read_text() == settings.page()
    meaning = settings.meanings()
    assert list(meaning) == [field.name for field in fields(conf.Settings)]
    assert all(text.endswith((".", ")")) for text in meaning.values())
    assert set(settings.SEE) <= set(meaning)


def test_every_signal_is_documented():
    texts = {page.name: page.read_text() for page in PAGES}
    for name, signal in vars(signals).items():
        if isinstance(signal, Signal):
            assert any(f"`{name}" in text for text in texts.values()), name
        if name.startswith(("verification_", "attempt_")):
            assert f"`{name}`" in texts["verification.md"], name


def linked(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    return {(page.parent / target).resolve() for target in targets}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in linked(page):
        assert target.exists(), target


def test_the_index_leads_to_every_page_once():
    entries = [name for entries in site.sections().values() for _, name, _ in entries]
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert len(entries) == len(set(entries))
    assert set(entries) == pages


def test_the_readme_is_short_and_leads_to_the_index():
    assert ROOT / "docs/index.md" in linked(ROOT / "README.md")
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_a_page_says_first_what_it_is_for():
    for page in (ROOT / "docs").glob("*.md"):
        lines = [line for line in page.read_text().splitlines() if line.strip()]
        assert lines[0].startswith("# "), page.name
        assert re.match(r"[A-Z`]|django-verify", lines[1]), page.name


def test_pages_of_other_folders_are_part_of_the_site():
    text = site.prepared("contributing", "")
    assert text.startswith("# Contributing")
    assert "[SECURITY.md](vulnerabilities.md)" in text
    assert "[a](https://example.com)" in site.prepared("x", "[a](https://example.com) [b](../x)")
    menus = site.prepared("index", "")
    assert menus.count(":caption:") == len(site.sections())


def test_links_that_lead_elsewhere_are_safe_and_nobody_invented_them():
    for url, pages in site.outside().items():
        assert url.startswith(("https://", "http://127.0.0.1:8000/")), (url, pages)
        assert "github.com/django-verify" not in url, (url, pages)


def test_every_picture_is_there_and_small():
    shown = set()
    for page in PAGES:
        for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text()):
            picture = page.parent / name
            assert picture.stat().st_size <= 60 * 1024, picture
            shown.add(picture)
    taken = set((ROOT / "docs/screenshots").iterdir())
    assert taken <= shown, "a picture that no page shows"
    assert {picture.stem for picture in taken} == set(screenshots.PICTURES)
    for picture in taken:
        header = picture.read_bytes()[:24]
        size = struct.unpack(">II", header[16:])
        assert (header[1:4], size) == (b"PNG", screenshots.PICTURES[picture.stem])


def test_a_picture_gets_smaller_and_keeps_its_colours():
    rows = [bytes([0, 10, 20, 30, 250, 240, 230]), bytes([1, 10, 20, 30, 0, 0, 0])]
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + pictures.chunk(b"IHDR", header)
    png += pictures.chunk(b"IDAT", zlib.compress(b"".join(rows))) + pictures.chunk(b"IEND", b"")
    made = pictures.smaller(png)
    palette = made[made.index(b"PLTE") + 4 :][:6]
    assert {palette[:3], palette[3:]} == {bytes([10, 20, 30]), bytes([250, 240, 230])}


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        assert anchor in anchors(page.parent / target if target else page), (target, anchor)


def samples(page):
    """The fenced samples of a page that run, by language."""
    return re.findall(r"^ *```(python|js)\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_every_sample_of_the_readme_that_can_be_refused_catches_it():
    verbs = r"\.(start|check|enrol|verify|create|redeem)\("
    calling = [
        (language, text)
        for language, text in samples(ROOT / "README.md")
        if re.search(verbs, re.sub(r"\.objects\.create\(", "", text))
    ]
    assert len(calling) == 1
    for language, text in calling:
        assert {"python": "\nexcept ", "js": "\n} catch"}[language] in re.sub(
            r"^ +(?=except)", "", text, flags=re.MULTILINE
        ), text


def test_the_samples_of_the_readme_compile():
    for language, text in samples(ROOT / "README.md"):
        if language == "python":
            compile(textwrap.dedent(text.replace("[..., ", "[")), "README.md", "exec")
