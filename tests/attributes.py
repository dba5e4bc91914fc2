"""Holds every template of ours to one rule: no number or date in an attribute or a script is localised.

A host's USE_THOUSAND_SEPARATOR reaches each `{{ number }}`: `data-wait="1,800"` is no number to a
program. While tests run, rendering such a value raises.
"""

import datetime as dt
import re
from decimal import Decimal
from functools import cache
from pathlib import Path

from django.template.base import Origin, VariableNode

ROOTS = [str(Path(__file__).parent.parent / room) for room in ("django_verify", "example_project")]
LOCALISED = (int, float, Decimal, dt.date, dt.time)
_TAGS = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)


@cache
def machine_reads(source: str, position: int) -> bool:
    """Whether what stands there is within an HTML tag or a script, which machines read."""
    before = _TAGS.sub("", source[:position])
    in_tag = before.rfind("<") > before.rfind(">")
    return in_tag or before.count("<script") > before.count("</script")


@cache
def _source(name: str) -> str:
    return Path(name).read_text() if name.startswith(tuple(ROOTS)) else ""


def fault(node: VariableNode, context) -> str:
    """Return what is wrong with a node of ours; empty where nothing is."""
    origin: Origin | None = node.origin
    source = _source(origin.name) if origin else ""
    position = getattr(node.token, "position", None)
    if not source or position is None or not machine_reads(source, position[0]):
        return ""
    value = node.filter_expression.resolve(context)
    if isinstance(value, LOCALISED) and not isinstance(value, bool):
        return f"{origin.name}: {node} is localised; use |unlocalize"
    return ""


def watched(real):
    """Return `VariableNode.render` with the rule in front of it."""

    def render(self, context):
        if wrong := fault(self, context):
            raise AssertionError(wrong)
        return real(self, context)

    return render
