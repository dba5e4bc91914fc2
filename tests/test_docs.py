"""The generated page of the docs is up to date, and what the docs promise exists."""

import re
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest
from django.dispatch import Signal

from django_verify import conf, signals
from docs import causes, errors

ROOT = Path(__file__).parent.parent
ROOT_PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
PAGES = [*ROOT_PAGES, *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_of_errors():
    assert errors.PAGE.read_text() == errors.page(), "run python -m docs.errors"


def test_the_page_of_causes():
    assert causes.PAGE.read_text() == causes.page(), "run python -m docs.causes"


def test_every_setting_is_documented_with_its_default():
    text = (ROOT / "docs/settings.md").read_text()
    for field in fields(conf.Settings):
        row = re.search(rf"^\| `{field.name}` \| ([^|]*) \|", text, re.MULTILINE)
        assert row, field.name
        if isinstance(field.default, int):
            assert row[1] == str(field.default)


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


def test_the_readme_leads_to_every_page():
    assert set((ROOT / "docs").glob("*.md")) <= linked(ROOT / "README.md")


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
    assert len(calling) == 4
    for language, text in calling:
        assert {"python": "\nexcept ", "js": "\n} catch"}[language] in re.sub(
            r"^ +(?=except)", "", text, flags=re.MULTILINE
        ), text


def test_the_samples_of_the_readme_compile():
    for language, text in samples(ROOT / "README.md"):
        if language == "python":
            compile(textwrap.dedent(text.replace("[..., ", "[")), "README.md", "exec")
