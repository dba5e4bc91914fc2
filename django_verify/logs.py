"""The logger of the whole app, `django_verify`: as a host configures it, whenever it does.

A host's `dictConfig` switches off each logger that exists by then and is not named, unless
`disable_existing_loggers` is False. Django configures logging before it imports an app; a Celery
worker, and whatever configures it anew, does so afterwards, and would switch this one off.
"""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

NAME = "django_verify"

# Four digits and more, also with spaces or punctuation between them, an e-mail address; no IP.
_NUMBERS = re.compile(
    r"(?<![\d.])(?!(?:\d{1,3}\.){3}\d{1,3}(?![\d.]))\d[\d ().-]{4,}\d|\d{4,}|\S+@\S+"
)


class _HostsLogger(logging.LoggerAdapter[logging.Logger]):
    """Looks the logger up for each record; its level, handlers and propagation are the host's."""

    def __init__(self) -> None:
        self.extra = None

    @property
    def logger(self) -> logging.Logger:  # type: ignore[override]
        """Return the logger of this name, switched on."""
        found = logging.getLogger(NAME)
        # No host sets it by hand: a level, or no propagation, is how a logger is silenced.
        found.disabled = False
        return found

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave the record as it is."""
        return msg, kwargs


logger = _HostsLogger()


def without_numbers(text: str) -> str:
    """Return a text of others without what looks like a code, a number or a recipient."""
    return _NUMBERS.sub("…", text)
