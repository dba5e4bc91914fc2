"""The figures of the day in Prometheus' text format, at `metrics` behind METRICS_TOKEN.

They are read from the database, so that one scrape has what all processes have done. Each figure
begins at 0 at midnight UTC, which Prometheus takes for a restart. No recipient is in them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, health, rollups
from django_verify.db import reconnect
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.exceptions import AuthenticationRequired, VerifyError
from django_verify.logs import logger

FORMAT = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, int]]


@login_not_required
@never_cache
@outside_atomic_requests
@sensitive_variables()
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape whose `Authorization` is `Bearer` and the token; 404 while none is set."""
    token = conf.current().METRICS_TOKEN
    if not token:
        raise Http404
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not (constant_time_compare(given.strip(), token) and scheme.lower() == "bearer"):
        return _refusal(AuthenticationRequired(), {"WWW-Authenticate": "Bearer"})
    try:
        return HttpResponse(text(), content_type=FORMAT)
    except Error as error:
        logger.error("no metrics: %s", type(error).__name__)
        return _refusal(reconnect.unavailable())


def text() -> str:
    """Return the metrics of this moment."""
    now = timezone.now()
    lines: list[str] = []
    for name, kind, about, samples in (*_counted(now), *_waiting()):
        lines += [f"# HELP django_verify_{name} {about}", f"# TYPE django_verify_{name} {kind}"]
        lines += [f"django_verify_{name}{_written(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _counted(now: dt.datetime) -> list[tuple[str, str, str, Samples]]:
    midnight = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = rollups.since(midnight)
    by_channel: dict[str, list[int]] = {}
    by_sender: dict[str, list[int]] = {}
    for (channel, sender), counts in day.attempts.items():
        _add(by_channel.setdefault(channel, [0, 0]), (counts.starts, counts.approved))
        left = (counts.sent, counts.delivered, counts.failed)
        if sender:
            _add(by_sender.setdefault(sender, [0, 0, 0]), left)
    sends = [
        ({"sender": sender, "outcome": outcome}, count)
        for sender, counts in sorted(by_sender.items())
        for outcome, count in zip(("sent", "delivered", "failed"), counts, strict=True)
    ]
    channels = sorted(by_channel.items())
    refusals = [
        ({"cause": cause, "outcome": outcome}, starts)
        for (cause, outcome), starts in sorted(day.refusals.items())
    ]
    counter = "counter"
    return [
        (
            "starts_total",
            counter,
            "Messages that were asked for since midnight UTC.",
            [({"channel": name}, counts[0]) for name, counts in channels],
        ),
        (
            "sends",
            "gauge",  # falls where another sender takes a message over, which no counter may
            "Messages by their last sender: sent (the provider took it), delivered, failed.",
            sends,
        ),
        (
            "approvals_total",
            counter,
            "Verifications of these that were approved, by their first channel.",
            [({"channel": name}, counts[1]) for name, counts in channels],
        ),
        ("refusals_total", counter, "Starts that the guard decided against.", refusals),
    ]


def _waiting() -> list[tuple[str, str, str, Samples]]:
    workers = health.worker_states()
    queues = {health.SENDING: "messages", health.POSTING: "webhooks"}
    depths = [
        ({"queue": queues[worker.name]}, worker.waiting)
        for worker in workers
        if worker.name in queues
    ]
    beats = [
        ({"worker": worker.name}, int(worker.last.timestamp())) for worker in workers if worker.last
    ]
    late = [({"worker": worker.name}, int(worker.is_late)) for worker in workers]
    gauge = "gauge"
    return [
        ("queue_depth", gauge, f"Rows that are due, at most {health.MOST}.", depths),
        (
            "worker_heartbeat_timestamp_seconds",
            gauge,
            "When a worker ended its last pass.",
            beats,
        ),
        ("worker_late", gauge, "1 where a worker has not run, or does not keep up.", late),
    ]


def _add(to: list[int], counts: Iterable[int]) -> None:
    for place, count in enumerate(counts):
        to[place] += count


def _written(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _refusal(error: VerifyError, headers: Mapping[str, str] | None = None) -> JsonResponse:
    body = {"code": error.code, "message": error.message, "status": error.status}
    return JsonResponse(body, status=error.status, headers={**error.headers, **(headers or {})})
