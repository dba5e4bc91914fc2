"""Writes `docs/api.md` from the router and the table of differences: `python -m docs.api`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs import differences, host

host.set_up()

from django_verify.api import wire
from django_verify.api.resource import Resource
from django_verify.api.urls import RESOURCES

PAGE = Path(__file__).with_name("api.md")
HEAD = """# The API

The 57 operations of the Verify v2 API, what each takes and answers, and every difference from the vendor's. Paths
are below the place of `django_verify.api.urls`, mostly `/v2/`. What a parameter means is in the vendor's reference
and on the pages about its subject; the [OpenAPI document](schema.md) has types and bounds. Parameters in bold are
needed. This page is generated.

## Everywhere
"""
#: The chapters of the page, by the beginning of their operations' paths; the first that fits counts.
CHAPTERS = {
    "Services/{ServiceSid}/VerificationCheck": "Verification checks",
    "Services/{ServiceSid}/Verifications": "Verifications",
    "Services/{ServiceSid}/RateLimits": "Rate limits and buckets",
    "Services/{ServiceSid}/MessagingConfigurations": "Messaging configurations",
    "Services/{ServiceSid}/Entities/{Identity}/Challenges": "Challenges and notifications",
    "Services/{ServiceSid}/Entities/{Identity}/Factors": "Factors",
    "Services/{ServiceSid}/Entities": "Entities",
    "Services/{ServiceSid}/AccessTokens": "Access tokens",
    "Services/{ServiceSid}/Passkeys": "Passkeys",
    "Services/{ServiceSid}/Webhooks": "Webhooks",
    "Services": "Services",
    "Attempts": "Attempts",
    "Templates": "Templates",
    "SafeList": "Safe list",
    "Forms": "Forms",
}
ORDER = ("Services", *(title for title in CHAPTERS.values() if title != "Services"))


class Operation(NamedTuple):
    """An operation as the router has it."""

    method: str
    path: str
    resource: type[Resource]
    action: str

    @property
    def chapter(self) -> str:
        """The title under which it stands."""
        return next(title for start, title in CHAPTERS.items() if self.path.startswith(start))


def operations() -> Iterator[Operation]:
    """Yield every operation of the router."""
    for resource in RESOURCES:
        for pattern in resource.urls():
            path = re.sub(
                r"<str:(\w+)>",
                lambda match: f"{{{wire.wire_name(match[1])}}}",
                str(pattern.pattern),
            )
            for method, action in pattern.callback.actions.items():
                yield Operation(method.upper(), path, resource, action)


def page() -> str:
    """Return the page."""
    found = list(operations())
    parts = [HEAD.rstrip() + "\n" + differences.EVERYWHERE]
    for chapter in ORDER:
        parts.append(f"## {chapter}\n")
        parts += [_section(one) for one in found if one.chapter == chapter]
    return "\n".join(parts)


def _section(operation: Operation) -> str:
    resource, action = operation.resource, operation.action
    asked = resource.asked(action)
    lines = [f"### {operation.method} {operation.path}\n"]
    if asked and (fields := wire.reader(asked).fields):
        if action == "update" and resource.update_parameters is None:
            names = [f"`{name}`" for name in fields]
        else:
            names = [
                f"**`{name}`**" if field.required else f"`{name}`" for name, field in fields.items()
            ]
        lines.append(f"Parameters: {', '.join(names)}.\n")
    lines.append(f"Answers {resource.status(action)}{_answer(resource, action)}.\n")
    lines.append(f"Different: {differences.DIFFERENCES[operation.method, operation.path]}\n")
    return "\n".join(lines)


def _answer(resource: type[Resource], action: str) -> str:
    if action == "destroy":
        return " without a body"
    names = ", ".join(f"`{name}`" for name in resource.answered(action)().fields)
    if action == "list" and resource.key:
        return f" with `{resource.key}` and `meta`; each has {names}"
    return f" with {names}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
