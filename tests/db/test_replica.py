"""A router that sends reads to a replica: only lists, summaries and the admin's pages go there.

The replica of these tests cannot be reached, so that whatever asks it fails.
"""

import pytest
from django.db import router
from django.db.utils import ConnectionDoesNotExist

from django_verify import delivery, verifications
from django_verify.delivery import reports
from django_verify.events import outbox as event_outbox
from django_verify.events import post
from django_verify.factors import challenges, entities
from django_verify.models import EventSink, Verification, VerificationAttempt
from django_verify.senders import Receipt, Report, Sender
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair, make_service, wrong
from tests.factors.test_notifications import make_push

pytestmark = pytest.mark.django_db(transaction=True)


class ReadsElsewhere:
    """A router such as Django's documentation has it, whose replica is away."""

    def db_for_read(self, model, **hints):
        return "replica" if model._meta.app_label == "django_verify" else None

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, *rows, **hints):
        return True


class Reported(Sender):
    """Reports the message before it answers."""

    channels = frozenset({"sms"})

    def send(self, message):
        reports.record("early", [Report("", "delivered")], message.attempt_sid)
        return Receipt("SM1")


@pytest.fixture
def service(account):
    return make_service(account, verify_event_subscription_enabled=True, guard_level="standard")


@pytest.fixture
def sink(account):
    return EventSink.objects.create(
        account=account, friendly_name="Sink", url="https://sink.example.com/"
    )


@pytest.fixture
def replica(account, service, sink, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsElsewhere"]
    with pytest.raises(ConnectionDoesNotExist):
        Verification.objects.exists()


def events(sink):
    rows = event_outbox._deliveries().filter(sink_id=sink.sid)
    return sorted(row.event_type.rpartition("verify.")[2] for row in rows)


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (lambda api, root, sid: api.post(f"{root}/{sid}", {"Status": "canceled"}), "canceled"),
        (lambda api, root, sid: api.post(f"{root}/{sid}", {"Status": "approved"}), "approved"),
        (lambda api, root, sid: api.post(f"{root}/{PHONE}", {"Status": "approved"}), "approved"),
    ],
    ids=["canceled", "approved", "by recipient"],
)
def test_an_end_by_the_site_is_an_event(replica, api, service, sink, end, event):
    root = f"Services/{service.sid}/Verifications"
    sid = api.post(root, {"To": PHONE, "Channel": "sms"}).data["sid"]
    assert end(api, root, sid).status == 200
    assert f"verification.{event}" in events(sink)


def test_guesses_and_their_end_are_events(replica, api, service, sink, outbox):
    root = f"Services/{service.sid}"
    api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
    code = code_in(outbox[-1])
    for number in range(1, 6):
        form = {"To": PHONE, "Code": wrong(code, number)}
        assert api.post(f"{root}/VerificationCheck", form).status == 200
    api.post(f"{root}/Verifications", {"To": OTHER_PHONE, "Channel": "sms"})
    form = {"To": OTHER_PHONE, "Code": code_in(outbox[-1])}
    assert api.post(f"{root}/VerificationCheck", form).data["valid"]
    found = events(sink)
    assert "verification.max-attempts-reached" in found
    assert "verification.approved" in found


def test_an_expiry_is_an_event(replica, service, sink, clock):
    verifications.start(service, PHONE)
    clock.shift(service.lifetime + 1)
    assert verifications.expire() == 1
    assert "verification.expired" in events(sink)


def test_what_was_made_can_be_used_at_once(replica, api, service):
    root = f"Services/{service.sid}"
    limit = api.post(f"{root}/RateLimits", {"UniqueName": "ip"}).data["sid"]
    bucket = api.post(f"{root}/RateLimits/{limit}/Buckets", {"Max": 3, "Interval": 60})
    assert bucket.status == 201
    path = f"{root}/RateLimits/{limit}/Buckets/{bucket.data['sid']}"
    assert api.get(path).data["max"] == 3
    assert api.post(path, {"Max": 4}).data["max"] == 4
    assert api.delete(path).status == 204
    assert api.post("SafeList/Numbers", {"PhoneNumber": PHONE}).status == 201
    assert api.get(f"SafeList/Numbers/{PHONE}").status == 200
    assert api.post(root, {"FriendlyName": "Other"}).data["friendly_name"] == "Other"
    factor = {"FriendlyName": "App", "FactorType": "totp"}
    made = api.post(f"{root}/Entities/user-123456/Factors", factor).data["sid"]
    path = f"{root}/Entities/user-123456/Factors/{made}"
    assert api.post(path, {"AuthPayload": "000000"}).data["status"] == "unverified"
    form = {"To": PHONE, "Channel": "sms"}
    sid = api.post(f"{root}/Verifications", form).data["sid"]
    (attempt,) = delivery.attempts.queries.attempts().filter(verification_id=sid)
    assert api.get(f"Attempts/{attempt.sid}").status == 200


def test_a_receiver_signs_by_the_secret_that_it_has(replica, service, sink, receiver):
    row = post.receivers(EventSink).get()
    row.url = receiver.url
    row.save(using="default")
    verifications.start(service, PHONE)
    assert event_outbox.deliver_due() == len(receiver.requests) > 0
    secret = event_outbox.rotate_secret(post.receivers(EventSink).get())
    assert post.receivers(EventSink).get().open_secrets(row.date_created)[0] == secret


def test_a_receiver_that_is_gone_is_disabled(replica, service, sink, receiver):
    row = post.receivers(EventSink).get()
    row.url = receiver.url
    row.save(using="default")
    receiver.answers = [(410, {})]
    verifications.start(service, PHONE)
    event_outbox.deliver_due()
    assert post.receivers(EventSink).get().status == "disabled"


def test_a_report_that_comes_before_its_answer(replica, service, settings, caplog):
    sender = {"early": {"BACKEND": f"{__name__}.Reported"}}
    settings.DJANGO_VERIFY = {"SENDERS": sender}
    verifications.start(service, PHONE)
    (attempt,) = VerificationAttempt.objects.using(router.db_for_write(VerificationAttempt))
    assert (attempt.message_status, attempt.provider_sid) == ("delivered", "SM1")
    assert "was interrupted" not in caplog.text


def test_a_test_number_needs_no_replica(account, service, settings, request):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service)
    request.getfixturevalue("replica")
    assert verifications.start(service, PHONE).is_test
    assert verifications.check(service, "482913", to=PHONE).valid


def test_a_push_factor_is_asked_without_the_replica(service, request):
    factor = make_push(service)
    entity = factor.entity
    request.getfixturevalue("replica")
    asked = entities.fetch_factor(entity, factor.sid)
    challenge = challenges.create(asked, details={"message": "Log in?"})
    assert challenges.fetch(entity, challenge.sid).status == "pending"
