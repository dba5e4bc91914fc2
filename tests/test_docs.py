"""The generated page of the docs is up to date, and what the docs promise exists."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from django_verify import conf, signals
from docs import errors

ROOT = Path(__file__).parent.parent


def test_the_page_of_errors():
    assert errors.PAGE.read_text() == errors.page(), "run python -m docs.errors"


def test_every_setting_is_documented_with_its_default():
    text = (ROOT / "docs/settings.md").read_text()
    for field in fields(conf.Settings):
        row = re.search(rf"^\| `{field.name}` \| ([^|]*) \|", text, re.MULTILINE)
        assert row, field.name
        if isinstance(field.default, int):
            assert row[1] == str(field.default)


def test_every_signal_is_documented():
    text = (ROOT / "docs/verification.md").read_text()
    for name in vars(signals):
        if name.startswith(("verification_", "attempt_")):
            assert f"`{name}`" in text, name
    assert "`webhook_disabled`" in (ROOT / "docs/webhooks.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / target).exists(), target
