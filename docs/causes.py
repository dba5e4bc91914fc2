"""Writes `docs/causes.md` from the senders' tables: `python -m docs.causes`."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from django_verify import senders
from django_verify.senders.base import Sender
from django_verify.senders.causes import WORDS, Cause

PAGE = Path(__file__).with_name("causes.md")
HEAD = """# Why a message did not arrive

The error of an attempt is a provider's code and a text. The admin, `verifyhealth` and *Send a test
message* show a cause beside them: one sentence, and one deed. From Python:

```python
from django_verify import delivery

why = delivery.explain(attempt)  # None where nothing went wrong
if why is not None:
    print(why.cause, why.sentence, why.deed, why.code, why.text)
```

`why.whose` says who can change it: `site`, `provider`, `recipient` or `nobody`.
`delivery.explain_error(sender, code, text)` does the same without a row. The sender's own table
comes first, then what is the same for all: our own texts for what has no code, such as a timeout,
and HTTP statuses (401 credentials, 402 money, 403 account, 429 limit, 408 and 504 no answer, other
4xx set-up, other 5xx provider). This page is generated.

| cause | what is shown | what to do | whose |
|---|---|---|---|
"""
TABLES = """
## The providers' codes

A code that is in no table is an unknown reason; its provider's list has it. A sender of your own,
or a gateway over HTTP, names its codes [itself](senders.md#causes).
"""


def kinds() -> list[type[Sender]]:
    """Return every sender with a table, by name."""
    found = set()
    for info in pkgutil.iter_modules(senders.__path__):
        module = importlib.import_module(f"{senders.__name__}.{info.name}")
        found |= {
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, Sender) and one.causes
        }
    return sorted(found, key=lambda kind: kind.__name__)


def page() -> str:
    """Return the page."""
    rows = [
        f"| `{cause.value}` | {words.sentence % {'sender': 'acme'}} | {words.deed}"
        f" | {words.whose} |"
        for cause, words in WORDS.items()
    ]
    return HEAD + "\n".join(rows) + "\n" + TABLES + "\n".join(map(_section, kinds()))


def _section(kind: type[Sender]) -> str:
    lines = [f"\n### {kind.__name__}\n", f"[The provider's list]({kind.error_list}).\n"]
    lines += ["| cause | codes of answers | codes of reports |", "|---|---|---|"]
    for cause in Cause:
        answers, reports = _codes(kind.causes, cause), _codes(kind.report_causes, cause)
        if answers or reports:
            lines.append(f"| {cause.label} | {answers} | {reports} |")
    return "\n".join(lines) + "\n"


def _codes(table: Mapping[str, Cause], cause: Cause) -> str:
    codes = [code for code, found in table.items() if found == cause]
    return ", ".join(f"`{code}`" for code in codes)


if __name__ == "__main__":
    settings.configure(USE_I18N=False)
    PAGE.write_text(page())
