"""Spans and counters, read from the SDK's exporters in memory; nothing is left when they are off."""

from types import SimpleNamespace

import pytest
from django.apps import apps

from django_verify import exceptions, senders, signals, verifications
from django_verify.crypto import codes
from django_verify.delivery import attempts
from django_verify.senders import SendError
from django_verify.verifications import clients, store, verbs
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.error_reports.pages import assert_nothing_shown
from tests.scripted import BUSY, LATE, Scripted, configured

pytest.importorskip("opentelemetry.sdk")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]


@pytest.fixture
def telemetry():
    """What was recorded: `spans()` in their order of ending, `counts()` by name and attributes."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from django_verify.integrations import opentelemetry

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing, metering = TracerProvider(), MeterProvider(metric_readers=[reader])
    tracing.add_span_processor(SimpleSpanProcessor(exporter))

    def counts():
        data = reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        found[metric.name, *point.attributes.values()] = point.value
        return found

    opentelemetry.instrument(tracer_provider=tracing, meter_provider=metering)
    yield SimpleNamespace(
        spans=exporter.get_finished_spans, counts=counts, tracing=tracing, metering=metering
    )
    opentelemetry.uninstrument()
    tracing.shutdown()
    metering.shutdown()


def test_a_verification_from_start_to_approval(telemetry, service, outbox):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[-1])
    verifications.check(service, wrong(code), to=PHONE)
    verifications.check(service, code, to=PHONE)
    send, start, guess, approval = telemetry.spans()
    assert [span.name for span in (send, start, guess, approval)] == [
        "verify.send",
        "verify.start",
        "verify.check",
        "verify.check",
    ]
    assert send.parent.span_id == start.context.span_id
    assert dict(send.attributes) == {
        "verify.sender": "memory",
        "verify.channel": "sms",
        "verify.attempt_sid": row.attempts.get().sid,
        "verify.outcome": "accepted",
    }
    assert dict(start.attributes) == {
        "verify.service_sid": service.sid,
        "verify.channel": "sms",
        "verify.sid": row.sid,
        "verify.outcome": "pending",
    }
    assert guess.attributes["verify.outcome"] == "pending"
    assert approval.attributes["verify.outcome"] == "approved"
    assert telemetry.counts() == {
        ("verify.starts", "sms"): 1,
        ("verify.sends", "memory", "sms", "accepted"): 1,
        ("verify.approvals", "sms"): 1,
    }


def test_an_approval_by_the_site_and_a_client_s_start_count_as_well(telemetry, account):
    service = make_service(account, client_enabled=True)
    verifications.start(service, PHONE)
    verifications.approve(service, PHONE)
    clients.start(service, PHONE, "sms", caller=clients.Caller(ip="192.0.2.1"))
    counts = telemetry.counts()
    assert counts["verify.approvals", "sms"] == 1
    assert counts["verify.starts", "sms"] == 2


def test_refusals_have_their_reason_and_are_no_errors(telemetry, service):
    with pytest.raises(exceptions.InvalidParameter):
        verifications.start(service, "+12")
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, "123456", to=PHONE)
    assert telemetry.counts() == {
        ("verify.refusals", "start", "invalid_parameter"): 1,
        ("verify.refusals", "check", "not_found"): 1,
    }
    for span in telemetry.spans():
        assert span.attributes["verify.outcome"] == "refused"
        assert span.status.is_unset
        assert not span.events


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (SendError(f"{PHONE} is no number", code="21211"), "refused"),
        (BUSY, "temporary"),
        (LATE, "uncertain"),
        (ValueError(f"no {PHONE}"), "error"),
    ],
)
def test_a_send_that_fails(telemetry, account, settings, monkeypatch, raised, outcome):
    monkeypatch.setattr(Scripted, "script", {"a": raised})
    settings.DJANGO_VERIFY = configured(aliases=["a"])
    verifications.start(make_service(account), PHONE)
    send = telemetry.spans()[0]
    assert send.attributes["verify.outcome"] == outcome
    assert send.attributes["error.type"] == type(raised).__name__
    assert not send.status.is_ok
    assert telemetry.counts()["verify.sends", "a", "sms", outcome] == 1


def test_a_failure_of_the_database_is_an_error(telemetry, service, monkeypatch):
    from django.db import OperationalError

    def fail(*args):
        raise OperationalError("down")

    monkeypatch.setattr(store, "read", fail)
    with pytest.raises(OperationalError):
        verifications.start(service, PHONE)
    (span,) = telemetry.spans()
    assert span.attributes["error.type"] == "OperationalError"
    assert "verify.refusals" not in {name for name, *_ in telemetry.counts()}


def test_no_personal_data_in_anything(telemetry, service, outbox, settings, monkeypatch):
    verifications.start(service, PHONE, tags={"customer": "zzyzx"})
    code = code_in(outbox[-1])
    verifications.check(service, code, to=PHONE)
    monkeypatch.setattr(Scripted, "script", {"a": SendError(f"{PHONE} is no number")})
    settings.DJANGO_VERIFY = configured(aliases=["a"])
    verifications.start(service, PHONE)
    with pytest.raises(exceptions.InvalidParameter):
        verifications.start(service, "+1415555267")
    text = str([span.to_json() for span in telemetry.spans()]) + str(telemetry.counts())
    for secret in (PHONE[1:], PHONE[2:-1], code, "zzyzx"):
        assert secret not in text


class Rpc(Exception):
    """One whose `code` is a method, and whose text has the number, as those of gRPC are."""

    def __repr__(self):
        return f"<no {PHONE}>"

    def code(self):
        return "UNAVAILABLE"


def test_a_code_of_another_library_is_left_out(telemetry, account, settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {"a": Rpc()})
    settings.DJANGO_VERIFY = configured(aliases=["a"])
    verifications.start(make_service(account), PHONE)
    assert "verify.error_code" not in telemetry.spans()[0].attributes


@pytest.mark.parametrize("verb", ["start", "check"])
def test_an_error_report_shows_no_code(telemetry, account, outbox, monkeypatch, verb):
    service = make_service(account, custom_code_enabled=True)

    def boom(*args, **kwargs):
        raise ZeroDivisionError

    if verb == "start":
        monkeypatch.setattr(store, "write", boom)
    else:
        verifications.start(service, PHONE, custom_code="Kq7Zp3Wv")
        monkeypatch.setattr(codes, "matches", boom)
    with pytest.raises(ZeroDivisionError) as caught:
        if verb == "start":
            verifications.start(service, PHONE, custom_code="Kq7Zp3Wv")
        else:
            verifications.check(service, "Kq7Zp3Wv", to=PHONE)
    assert_nothing_shown(caught.value, "Kq7Zp3Wv", PHONE)


def test_nothing_is_left_when_it_is_switched_off(telemetry, service):
    from django_verify.integrations import opentelemetry

    assert verifications.start is verbs.start is not None
    opentelemetry.instrument()  # a second time changes nothing
    wrapped = verbs.start
    opentelemetry.uninstrument()
    opentelemetry.uninstrument()
    assert verifications.start is verbs.start is wrapped.__wrapped__
    assert attempts.senders is senders
    known = {key for (key, _sender), *_ in signals.verification_approved.receivers}
    assert opentelemetry.NAME not in known
    verifications.start(service, PHONE)
    assert not telemetry.spans()


def test_the_instrumentor_waits_for_django(service, monkeypatch):
    pytest.importorskip("opentelemetry.instrumentation")
    from django_verify.integrations import opentelemetry
    from django_verify.integrations.opentelemetry_instrumentor import VerifyInstrumentor

    instrumentor = VerifyInstrumentor()
    unwrapped = verbs.start
    try:
        with monkeypatch.context() as patch:
            patch.setattr(apps, "models_ready", False)
            instrumentor.instrument()
        assert verbs.start is unwrapped
        monkeypatch.setattr("django_verify.apps.register", lambda *args, **kwargs: None)
        apps.get_app_config("django_verify").ready()
        assert verbs.start is not unwrapped
        instrumentor.uninstrument()
        assert verbs.start is unwrapped
        instrumentor.instrument()
        assert verbs.start.__wrapped__ is unwrapped
    finally:
        opentelemetry.uninstrument()
        instrumentor.uninstrument()


def test_the_entry_point_is_the_instrumentor():
    import tomllib
    from importlib import import_module
    from pathlib import Path

    pytest.importorskip("opentelemetry.instrumentation")
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    named = tomllib.loads(text)["project"]["entry-points"]["opentelemetry_instrumentor"]
    module, _, name = named["django_verify"].partition(":")
    assert getattr(import_module(module), name).__name__ == "VerifyInstrumentor"
