"""Writes `docs/signals.md` from the comments beside the signals: `python -m docs.signals`."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "signals.md"
HEAD = """# Signals

What a site can listen to, and what each signal carries. A receiver is a function of yours:

```python
from django.dispatch import receiver
from django_verify.signals import verification_approved


@receiver(verification_approved)
def on_approved(verification, **kwargs):
    print(verification.to, verification.channel)
```

Signals are sent after the commit, once for each event, and an exception in a receiver is logged and undoes nothing.
`verification_starting` is the exception: it is sent before anything is written, and a receiver refuses the start by
raising. A process that dies right after the commit sends none, so read the status where it matters; [Webhooks and
events](webhooks.md) are the channel that loses nothing. This page is generated.
"""
SOURCES = {
    "django_verify.signals": "signals.py",
    "django_verify.users.signals": "users/signals.py",
}
SIGNAL = re.compile(r"((?:^#: .*\n)+)(\w+) = Signal\(", re.MULTILINE)


def page() -> str:
    """Return the page."""
    sections = [HEAD]
    for module, name in SOURCES.items():
        text = (HERE.parent / "django_verify" / name).read_text(encoding="utf-8")
        rows = [f"| `{name}` | {_words(comment)} |" for comment, name in SIGNAL.findall(text)]
        table = "\n".join(["| signal | when: and what it carries |", "|---|---|", *rows])
        sections.append(f"## {module}\n\n{table}\n")
    return "\n".join(sections)


def _words(comment: str) -> str:
    return " ".join(line.removeprefix("#: ") for line in comment.strip().splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
