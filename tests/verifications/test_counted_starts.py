"""A start that rate limits count is counted once, by whatever statements it is written."""

from contextlib import nullcontext
from functools import partial

import pytest
from django.conf import settings as site_settings
from django.db import connection, transaction
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext

from django_verify import exceptions, verifications
from django_verify.db import statements
from django_verify.limits import counters
from django_verify.models import (
    Bucket,
    BucketCount,
    EventSink,
    RateLimit,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.verifications import guess_budget
from tests.conftest import OTHER_PHONE, PHONE, ROUNDS, make_service
from tests.verifications.test_one_statement import have_no_uuid, once_after_the_history

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_case]

LIMITS = {"user": "anna", "network": "192.0.2.0"}


@pytest.fixture(params=[False, True], ids=["quiet", "reporting"])
def service(request, account):
    """A service with two limits, whose verifications report to a sink or do not."""
    made = make_service(account, verify_event_subscription_enabled=request.param)
    EventSink.objects.create(account=account, url="https://sink.example.com/")
    for name in LIMITS:
        limit = RateLimit.objects.create(service=made, unique_name=name)
        Bucket.objects.create(rate_limit=limit, max=3, interval=86_400)
    verifications.start(made, "+12015550100")  # fills the caches
    return made


def start(service, to=PHONE, **options):
    return verifications.start(service, to, rate_limits=LIMITS, **options)


def counts():
    return sorted(BucketCount.objects.values_list("count", flat=True))


def written():
    models = (Verification, VerificationAttempt, WebhookDelivery)
    return [sorted(model.objects.values_list("pk", flat=True)) for model in models]


def statements_of(call):
    with CaptureQueriesContext(connection) as captured:
        call()
    return [query["sql"].split(None, 1)[0] for query in captured]


def test_only_postgresql_counts_by_the_start_s_own_statement(service):
    start(service)
    sent = statements_of(lambda: start(service, OTHER_PHONE))
    assert counts() == [2, 2]
    if connection.vendor == "postgresql":
        # The history, the start with all of its rows, and what became of its message.
        assert sent[:2] == ["SELECT", "WITH"]
        assert len(sent) == 3
        assert "BEGIN" not in sent
    else:
        assert sent[:2] == ["SELECT", "INSERT"]


def test_a_full_limit_leaves_nothing_of_the_start(service, outbox):
    for number in range(3):
        start(service, f"+1201555011{number}")
    before, sent = written(), len(outbox)
    for _ in range(2):
        with pytest.raises(exceptions.TooManyRequests) as caught:
            start(service)
        assert caught.value.limit in LIMITS
        assert 0 < caught.value.retry_after <= 86_400
    assert (written(), len(outbox), counts()) == (before, sent, [3, 3])


def test_one_full_limit_of_two_leaves_the_other_as_it_was(service):
    BucketCount.objects.all().delete()
    for number in range(3):
        verifications.start(service, f"+1201555011{number}", rate_limits={"user": "anna"})
    with pytest.raises(exceptions.TooManyRequests) as caught:
        start(service)
    assert caught.value.limit == "user"
    assert counts() == [3]


def test_what_is_full_is_not_counted_again(service):
    for number in range(3):
        start(service, f"+1201555011{number}")
    with pytest.raises(exceptions.TooManyRequests):
        start(service)

    def again():
        with pytest.raises(exceptions.TooManyRequests):
            start(service, OTHER_PHONE)

    assert statements_of(again) == ["SELECT", "SELECT"]


def test_a_start_that_takes_the_next_number_counts_once(account, service, monkeypatch):
    other = make_service(account)
    once_after_the_history(monkeypatch, lambda: verifications.start(other, PHONE))
    start(service)
    assert counts() == [1, 1]
    assert Verification.objects.filter(to=PHONE).count() == 2


def test_a_resend_counts_before_it_is_looked_at(service, outbox):
    """A limit comes before what the verification says."""
    start(service)
    start(service)
    start(service)
    Verification.objects.update(max_sends=3)
    with pytest.raises(exceptions.TooManyRequests):
        start(service)
    assert counts() == [3, 3]
    BucketCount.objects.all().delete()
    with pytest.raises(exceptions.MaxSendsReached):
        start(service)
    assert counts() == [1, 1]


def test_what_is_refused_as_it_is_written_stays_counted(service, monkeypatch):
    """Nobody asks again and again for a recipient that has no guesses left."""

    def refuse(*args, **kwargs):
        raise exceptions.MaxSendsReached

    monkeypatch.setattr(guess_budget, "reserve", refuse)
    for number in (1, 2, 3):
        with pytest.raises(exceptions.MaxSendsReached):
            start(service)
        assert counts() == [number, number]
    counters._known_full.clear()
    with pytest.raises(exceptions.TooManyRequests):
        start(service)
    assert counts() == [3, 3]
    assert not Verification.objects.filter(to=PHONE).exists()


def test_an_event_that_cannot_be_written_leaves_one_count(service, monkeypatch, caplog):
    have_no_uuid(monkeypatch)
    row = start(service)
    assert counts() == [1, 1]
    assert Verification.objects.get(to=PHONE).sid == row.sid
    assert ("an event was not recorded" in caplog.text) == row.reports


def test_an_event_that_is_refused_for_once_leaves_one_count(service, monkeypatch):
    """What failed as one statement is written by several, the counts among them."""
    real, failed = statements.run, []

    def refuse_once(using, *parts):
        if len(parts) > 2 and not failed:
            failed.append(len(parts))
            raise ZeroDivisionError
        return real(using, *parts)

    monkeypatch.setattr(statements, "run", refuse_once)
    if service.verify_event_subscription_enabled or connection.vendor != "postgresql":
        start(service)
        assert counts() == [1, 1]
        assert Verification.objects.filter(to=PHONE).count() == 1
    else:
        with pytest.raises(ZeroDivisionError):
            start(service)
        assert not counts()
        assert not Verification.objects.filter(to=PHONE).exists()


def test_a_look_up_comes_after_the_count(service, settings, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "django_verify.verifications.carrier_lookup.look_up",
        lambda to: asked.append(counts()) or (_ for _ in ()).throw(exceptions.ServiceUnavailable()),
    )
    type(service).objects.filter(sid=service.sid).update(lookup_enabled=True)
    service.refresh_from_db()
    with pytest.raises(exceptions.ServiceUnavailable):
        start(service)
    assert asked == [[1, 1]]
    BucketCount.objects.update(count=3)
    with pytest.raises(exceptions.TooManyRequests):
        start(service)
    assert len(asked) == 1


def test_a_receiver_of_rows_has_the_start_counted_all_the_same(service):
    heard = []

    def receive(instance, **_):
        heard.append(instance)

    pre_save.connect(receive, sender=VerificationAttempt)
    try:
        start(service)
    finally:
        pre_save.disconnect(receive, sender=VerificationAttempt)
    assert len(heard) == 1
    assert counts() == [1, 1]


def test_in_a_caller_s_transaction_the_count_is_taken_back_with_it(service):
    with transaction.atomic():
        start(service)
        transaction.set_rollback(True)
    assert counts() == []


def test_another_store_is_asked_by_itself(service, settings, monkeypatch):
    consumed = []
    monkeypatch.setattr(
        counters, "_consume_in_redis", lambda windows, now: consumed.append(windows)
    )
    settings.DJANGO_VERIFY = {**site_settings.DJANGO_VERIFY, "RATE_LIMIT_STORE": "redis://nowhere/"}
    start(service)
    assert [len(windows) for windows in consumed] == [2]
    assert counts() == []


def test_starts_of_one_number_and_limit_end_in_no_deadlock(account, aligned):
    """Two services of an account take one number each after the other, and count by two limits.

    Some are in a transaction of their caller's, which holds what it has counted until its end.
    """
    services = [make_service(account, verify_event_subscription_enabled=n > 0) for n in range(2)]
    EventSink.objects.create(account=account, url="https://sink.example.com/")
    for made in services:
        for name in LIMITS:
            limit = RateLimit.objects.create(service=made, unique_name=name)
            Bucket.objects.create(rate_limit=limit, max=5, interval=86_400)
    for number in range(ROUNDS):
        BucketCount.objects.all().delete()
        counters._known_full.clear()

        def call(which, to, atomic):
            # Others would have such a transaction wait for those that are written in between.
            atomic = atomic and connection.vendor == "postgresql"
            try:
                with transaction.atomic() if atomic else nullcontext():
                    start(services[which], to)
            except exceptions.TooManyRequests:
                return "full"
            except exceptions.ConcurrentStarts:
                return "overtaken"
            return "started"

        numbers = [f"+1201556{number:02}{line:02}" for line in range(4)]
        each = [(which, to) for to in numbers for which in (0, 1)]
        calls = [partial(call, *one, atomic) for atomic in (False, True) for one in each]
        answers = aligned(calls + calls[::-1])
        assert set(answers) <= {"full", "overtaken", "started"}
        started = Verification.objects.filter(to__in=numbers)
        # A start that was overtaken may have been counted as well, and a resend was.
        for made in services:
            assert started.filter(service=made).count() <= 5
        assert counts()
        assert max(counts()) <= 5
        assert answers.count("started") >= started.count() >= 4
