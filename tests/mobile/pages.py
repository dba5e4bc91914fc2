"""The fenced blocks of the docs, and a site that has what they speak of."""

import re
from functools import cache
from pathlib import Path
from types import ModuleType

from django.urls import include, path

DOCS = Path(__file__).parents[2] / "docs"
MOBILE = DOCS / "mobile.md"
SITE = "https://www.example.com"


def blocks(language, page=MOBILE):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def recipients():
    """The endpoints for apps, and the sign-up endpoint of `docs/proofs.md`."""
    host = ModuleType("host")
    exec(compile(blocks("python", DOCS / "proofs.md")[0], "proofs.md", "exec"), host.__dict__)
    host.urlpatterns = [
        path("mobile/", include("django_verify.mobile.urls")),
        path("sign-up/", host.SignUpView.as_view()),
    ]
    return host


def rows(heading):
    """The cells of the table below a heading, without its head."""
    text = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", MOBILE.read_text(), re.M | re.S)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


@cache
def refusals():
    """The reasons of the table of refusals, each with its status."""
    found = set()
    for reasons, statuses, _ in rows("Refusals"):
        every = [int(status) for status in statuses.split(", ")]
        listed = names(reasons)
        assert len(every) in {1, len(listed)}
        found |= set(zip(listed, every * (len(listed) // len(every)), strict=True))
    return found
