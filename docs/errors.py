"""Writes `docs/errors.md` from the error family: `python -m docs.errors`."""

from pathlib import Path

from django_verify import exceptions

PAGE = Path(__file__).with_name("errors.md")
HEAD = """# Errors

Every refusal is a JSON object with `code`, `message`, `more_info` and `status`. The numbers are the
vendor's; in Python each is an exception of `django_verify.exceptions`. This page is generated.

| code | HTTP | exception | when |
|---|---|---|---|
"""

NOTED = """
These stand in an answer or on an attempt, and refuse nothing.

| code | what |
|---|---|
"""


def family() -> list[type[exceptions.VerifyError]]:
    """Return every error class, by number."""
    found = [
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, exceptions.VerifyError)
    ]
    return sorted(found, key=lambda error: (error.code, error.status))


def page() -> str:
    """Return the page."""
    rows = [
        f"| {error.code} | {error.status} | `{error.__name__}` | {_when(error)} |"
        for error in family()
    ]
    noted = [f"| {number.value} | {_words(number.name)} |" for number in exceptions.Noted]
    return HEAD + "\n".join(rows) + "\n" + NOTED + "\n".join(noted) + "\n"


def _words(name: str) -> str:
    return name.replace("_", " ").lower().replace("sna", "SNA").replace("url", "URL")


def _when(error: type[exceptions.VerifyError]) -> str:
    if error is exceptions.VerifyError:
        return "The request failed here; the reason is in the log."
    return (error.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(page())
