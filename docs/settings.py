"""Writes the table of `docs/settings.md` from the comments of `conf.Settings`: `python -m docs.settings`."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from django_verify import conf

PAGE = Path(__file__).with_name("settings.md")
HEAD = "| key | default | meaning |\n|---|---|---|\n"
TABLE = re.compile(re.escape(HEAD) + r"(\|.*\n)+")
# Where more is said about a setting.
SEE = {
    "KEYS": "[Rotating keys](operations.md#rotating-keys)",
    "SENDERS": "[Senders](senders.md)",
    "ROUTES": "[Routes and breakers](delivery.md#which-sender-routes-and-breakers)",
    "DISPATCH": "[Delivery](delivery.md)",
    "PUSH_SENDERS": "[Push](push.md)",
    "RECIPIENT_GUESSES_PER_DAY": "[Who can lock whom out](lockout.md)",
    "MAX_CONSECUTIVE_FAILURES": "[NIST's count](lockout.md#nists-count)",
    "RATE_LIMITS_PER_SERVICE": "[Rate limits](ratelimits.md)",
    "VERIFICATION_RETENTION_DAYS": "[Retention](retention.md)",
    "WEBHOOK_RETENTION_DAYS": "[Webhooks](webhooks.md)",
    "DEVICE_KEY_RETENTION_DAYS": "[Gates](gates.md)",
    "ROLLUP_RETENTION_DAYS": "[The dashboard](console.md)",
    "TEST_NUMBERS": "[Test numbers](verification.md#test-numbers)",
    "PHONE_CONFLICT_POLICY": "[Verified numbers](users.md)",
    "CLIENT_SERVICE": "[Endpoints for apps](mobile.md)",
    "CLIENT_LIMITS": "[Limits](mobile.md#limits)",
    "CLIENT_APP_HASHES": "[What may be sent](mobile.md#what-may-be-sent)",
    "BOT_PROTECTION": "[Gates](gates.md)",
    "GUARD_REFRESH": "[The guard](fraud.md)",
    "GUARD_LEVEL": "[Levels](fraud.md#levels)",
    "GUARD_POLICY": "[Policies](fraud.md#policies)",
    "CURRENCY": "[Spend](fraud.md#spend)",
    "KNOWN_DEVICE_DAYS": "[Who can lock whom out](lockout.md)",
    "PROOF_LIFETIME": "[Proofs](proofs.md)",
    "WEBHOOK_ALLOWED_HOSTS": "[Webhooks](webhooks.md)",
    "INTEGRATIONS_SERVICE": "[Integrations](integrations.md)",
    "METRICS_TOKEN": "[Prometheus](integrations.md#prometheus)",
}
# Defaults that are no plain values.
MADE = {"SENDERS": "the console"}
# What stands for itself in a comment: a backquoted text, a dictionary, a list, a quoted value, the
# name of a setting, a constant.
CODE = re.compile(
    r"""`[^`]+` | \{"(?:[^{}]|\{[^{}]*\})*\} | \[\[[^]]*\],[^]]*\] | \[\] | "[^"\s]+"
    | \b[A-Z]+(?:_[A-Z]+)+\b | \bKEYS\b | \bSENDERS\b | \b(?:None|True|False)\b""",
    re.VERBOSE,
)


def meanings() -> dict[str, str]:
    """Return the comment above each setting."""
    lines = inspect.getsource(conf.Settings).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno - 1
            while lines[first - 1].startswith("    #"):
                first -= 1
            words = [line.strip("# ") for line in lines[first : node.lineno - 1]]
            found[node.target.id] = " ".join(words)
    return found


def table() -> str:
    """Return the table."""
    meaning = meanings()
    rows = []
    for each in fields(conf.Settings):
        text = CODE.sub(lambda found: f"`{found[0].strip('`')}`", meaning[each.name])
        more = f" See [{SEE[each.name][1:]}." if each.name in SEE else ""
        rows.append(f"| `{each.name}` | {_default(each)} | {text}{more} |")
    return HEAD + "\n".join(rows) + "\n"


def _default(each: Field[Any]) -> str:
    if each.name in MADE:
        return MADE[each.name]
    shown = "{}" if each.default is MISSING else repr(each.default).replace("'", '"')
    return f"`{shown}`"


def page() -> str:
    """Return the page, with the table as it is to be."""
    text, changed = TABLE.subn(lambda _: table(), PAGE.read_text())
    assert changed == 1
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
