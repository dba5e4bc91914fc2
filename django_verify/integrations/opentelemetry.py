"""Spans and counters of OpenTelemetry: starts, sends, checks, approvals, refusals.

`instrument()` puts them around the verbs and the senders, `uninstrument()` takes them away; until
then nothing here is called. Attributes name services, channels, senders and outcomes; recipients,
codes and texts of errors are in none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.views.decorators.debug import sensitive_variables
from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from django_verify import __version__, senders, signals, verifications
from django_verify.delivery import attempts
from django_verify.models import Verification
from django_verify.verifications import refusals, verbs

NAME = "django_verify"
_TRACED = ("start", "check")

Verb = Callable[..., Verification]


def instrument(*, tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Begin to record, by these providers or the process's own; nothing if it is done already.

    Call it once in each process, after Django's set-up.
    """
    if _State.recorder is None:
        _State.recorder = _Recorder(tracer_provider, meter_provider)
        _State.recorder.wrap()


def uninstrument() -> None:
    """Stop to record, and leave the verbs and the senders as they were."""
    if _State.recorder is not None:
        _State.recorder.unwrap()
        _State.recorder = None


class _State:
    recorder: _Recorder | None = None


class _Recorder:
    """The tracer, the counters, and what was there before they came between."""

    def __init__(self, tracer_provider: Any, meter_provider: Any) -> None:
        self.tracer = trace.get_tracer(NAME, __version__, tracer_provider=tracer_provider)
        meter = metrics.get_meter(NAME, __version__, meter_provider=meter_provider)
        count = meter.create_counter
        self.starts = count("verify.starts", description="Starts that were accepted.")
        self.sends = count("verify.sends", description="Messages handed to a sender, by outcome.")
        self.approvals = count("verify.approvals", description="Verifications that were approved.")
        self.refusals = count("verify.refusals", description="Starts and checks that were refused.")
        self.before: dict[str, Verb] = {}

    def wrap(self) -> None:
        for name in _TRACED:
            verb: Verb = getattr(verbs, name)
            self.before[name], traced = verb, self._traced(name, verb)
            for place in (verbs, verifications):
                setattr(place, name, traced)
        vars(attempts)["senders"] = _Senders(self)
        signals.verification_approved.connect(self._approved, weak=False, dispatch_uid=NAME)

    def unwrap(self) -> None:
        for name, verb in self.before.items():
            for place in (verbs, verifications):
                setattr(place, name, verb)
        vars(attempts)["senders"] = senders
        signals.verification_approved.disconnect(dispatch_uid=NAME)

    def _traced(self, name: str, verb: Verb) -> Verb:
        @wraps(verb)
        @sensitive_variables()
        def traced(service: Any, *args: Any, **kwargs: Any) -> Verification:
            with self._span(f"verify.{name}", SpanKind.INTERNAL) as span:
                span.set_attribute("verify.service_sid", service.sid)
                try:
                    row = verb(service, *args, **kwargs)
                except Exception as error:
                    self._refused(span, name, error)
                    raise
                span.set_attribute("verify.channel", row.channel)
                span.set_attribute("verify.sid", row.sid)
                span.set_attribute("verify.outcome", str(row.status))
                if name == "start":
                    self.starts.add(1, {"verify.channel": row.channel})
                return row

        return traced

    def _refused(self, span: Span, name: str, error: Exception) -> None:
        """Record a refusal; what is none, such as a failing database, is an error of the span."""
        if not refusals.is_refusal(error):
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            return
        reason = refusals.reason_of(error)
        span.set_attribute("verify.outcome", "refused")
        span.set_attribute("verify.reason", reason)
        self.refusals.add(1, {"verify.verb": name, "verify.reason": reason})

    def _approved(self, *, verification: Verification, **kwargs: Any) -> None:
        self.approvals.add(1, {"verify.channel": verification.channel})

    @sensitive_variables()
    def sent(self, sender: Any, message: Any) -> Any:
        """Call a sender within a span, and count the outcome."""
        attributes = {"verify.sender": sender.alias, "verify.channel": message.channel}
        with self._span("verify.send", SpanKind.CLIENT) as span:
            span.set_attributes({**attributes, "verify.attempt_sid": message.attempt_sid})
            outcome = "accepted"
            try:
                return sender.send(message)
            except Exception as error:
                outcome = _outcome_of(error)
                _failed(span, error)
                raise
            finally:
                span.set_attribute("verify.outcome", outcome)
                self.sends.add(1, {**attributes, "verify.outcome": outcome})

    @contextmanager
    def _span(self, name: str, kind: SpanKind) -> Any:
        # The text of an exception may be a provider's, and have a number in it.
        with self.tracer.start_as_current_span(
            name, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span


def _outcome_of(error: Exception) -> str:
    if isinstance(error, senders.TemporarySendError):
        return "uncertain" if error.uncertain else "temporary"
    return "refused" if isinstance(error, senders.SendError) else "error"


def _failed(span: Span, error: Exception) -> None:
    span.set_attribute("error.type", type(error).__name__)
    # What another library calls so may be anything.
    if isinstance(error, senders.SendError) and error.code:
        span.set_attribute("verify.error_code", str(error.code))
    span.set_status(Status(StatusCode.ERROR, type(error).__name__))


class _Senders:
    """Stands for the room of senders where attempts are sent: what it gives is traced."""

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(senders, name)

    def get(self, alias: str) -> _Sender:
        return _Sender(self._recorder, senders.get(alias))


class _Sender:
    """One sender, for one message."""

    def __init__(self, recorder: _Recorder, sender: Any) -> None:
        self._recorder, self._sender = recorder, sender

    @sensitive_variables()
    def send(self, message: Any) -> Any:
        return self._recorder.sent(self._sender, message)
