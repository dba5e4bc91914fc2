"""The instrumentor that `opentelemetry-instrument` finds by its entry point.

That program loads it before Django is set up, when no verb can be imported yet: it waits for the
app then.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

_waiting: list[dict[str, Any]] = []


class VerifyInstrumentor(BaseInstrumentor):
    """`VerifyInstrumentor().instrument()`, as every instrumentor has it."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for it: nothing beyond this package."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        chosen = {name: kwargs.get(name) for name in ("tracer_provider", "meter_provider")}
        if apps.models_ready:
            _begin(chosen)
        else:
            _waiting.append(chosen)

    def _uninstrument(self, **kwargs: Any) -> None:
        _waiting.clear()
        if apps.models_ready:
            from django_verify.integrations import opentelemetry  # noqa: PLC0415 - needs the models

            opentelemetry.uninstrument()


def begin_waiting() -> None:
    """Begin what was asked for before the app was there."""
    while _waiting:
        _begin(_waiting.pop())


def _begin(chosen: dict[str, Any]) -> None:
    from django_verify.integrations import opentelemetry  # noqa: PLC0415 - needs the models

    opentelemetry.instrument(**chosen)
