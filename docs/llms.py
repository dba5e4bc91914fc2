"""Writes `docs/llms.txt`, the index for language models, from the index: `python -m docs.llms`."""

from pathlib import Path

from docs import site

PAGE = Path(__file__).with_name("llms.txt")
HEAD = """# django-verify

> A reusable Django app that is one's own Verify service: one-time codes by SMS, call, WhatsApp, Telegram, e-mail and \
silent authentication, authenticator apps, push and passkeys, on one's own database and providers. It speaks the \
Twilio Verify v2 API (57 operations) and has a Python API: `from django_verify import verifications`, then \
`verifications.start(service, to, channel)` and `verifications.check(service, code, to=to)`.

Settings are one dictionary, `DJANGO_VERIFY`. Refusals are exceptions of `django_verify.exceptions`. A check runs outside \
`transaction.atomic()`. Workers: `manage.py deliverattempts --loop`.
"""


def page() -> str:
    """Return the file: a heading for each group of pages, and a line for each page."""
    groups = [
        f"## {heading}\n\n"
        + "".join(f"- [{title}]({name}.md): {purpose}\n" for title, name, purpose in entries)
        for heading, entries in site.sections().items()
    ]
    return "\n".join([HEAD, *groups])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
