"""Where a person is named in passing: in logs, errors and events of rows that are long gone."""

import pytest
from django.apps import apps
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from phonenumber_field.phonenumber import PhoneNumber

from django_verify import data_subjects, delivery, senders, verifications
from django_verify.data_subjects import erasing
from django_verify.delivery import circuit_breakers
from django_verify.exceptions import FraudBlocked
from django_verify.models import (
    Entity,
    EventSink,
    PrefixRule,
    SenderState,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from tests.conftest import PHONE, make_account
from tests.data_subjects.test_data_subjects import IDENTITY, MAIL, person, scan

pytestmark = pytest.mark.django_db(transaction=True)


def log(model, name, **values):
    return LogEntry.objects.create(
        user=get_user_model().objects.get_or_create(username="operator")[0],
        content_type=ContentType.objects.get_for_model(model),
        object_id=values.pop("object_id", "7"),
        object_repr=name,
        action_flag=DELETION,
        **values,
    )


def test_the_log_of_rows_that_are_gone(service):
    gone = log(PrefixRule, f"Block {PHONE}", change_message=f"Decided from a record: {PHONE}.")
    log(Entity, IDENTITY)
    other = log(PrefixRule, f"Block {PHONE}1"), log(Entity, f"{IDENTITY}-b")
    shown = data_subjects.erase(person(), dry_run=True)
    receipt = data_subjects.erase(person())
    assert shown.log_entries == receipt.log_entries == 2
    for entry in other:
        assert LogEntry.objects.get(pk=entry.pk).object_repr == entry.object_repr
    gone.refresh_from_db()
    assert (gone.object_repr, gone.change_message) == ("", "")
    assert data_subjects.erase(person()).log_entries == 0


def test_the_log_of_a_rule_that_stays_keeps_its_name(service):
    rule = PrefixRule.objects.create(prefix=PHONE, action="block")
    entry = log(PrefixRule, f"Block {PHONE}", object_id=str(rule.pk))
    assert data_subjects.erase(person()).log_entries == 0
    entry.refresh_from_db()
    assert entry.object_repr


def test_what_a_provider_said_last(service):
    for alias, text in (("a", f"no route to {PHONE[1:]}"), ("b", f"<{MAIL}>: unknown, code 550")):
        circuit_breakers.failed(alias, text)
        circuit_breakers.misconfigured(alias, text)
    assert scan(PHONE[1:], MAIL) == set()
    assert SenderState.objects.get(alias="b").last_error.endswith("unknown, code 550")


def test_the_event_of_a_start_that_a_rule_refused(service, settings):
    service.verify_event_subscription_enabled = True
    service.save()
    EventSink.objects.create(account=service.account, friendly_name="S", url="https://example.com/")
    rule = PrefixRule.objects.create(prefix=PHONE, action="block")
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_REFRESH": 1}
    with pytest.raises(FraudBlocked):
        verifications.start(service, PHONE)
    assert PHONE in str(WebhookDelivery.objects.get().payload)
    rule.delete()
    data_subjects.erase(person())
    assert scan(PHONE) == set()


def test_a_rule_of_every_account_is_not_one_account_s(service):
    PrefixRule.objects.create(prefix=PHONE, action="block")
    PrefixRule.objects.create(prefix=PHONE, action="block", account=service.account)
    PrefixRule.objects.create(prefix=PHONE, action="block", account=make_account("Other"))
    mine = person(account=service.account_id)
    assert len(data_subjects.export(mine)["tables"]["prefixrule"]) == 1
    assert data_subjects.erase(mine, rules=True).deleted == {"prefixrule": 1}
    assert PrefixRule.objects.count() == 2


def test_no_guess_is_made_meanwhile(service):
    if not connection.features.has_select_for_update:
        pytest.skip("SQLite has one writer at a time")
    verifications.start(service, PHONE)
    with CaptureQueriesContext(connection) as queries:
        data_subjects.erase(person(), dry_run=True)
    assert not any("FOR UPDATE" in query["sql"] for query in queries)
    with CaptureQueriesContext(connection) as queries:
        data_subjects.erase(person())
    statements = [query["sql"] for query in queries]
    locked = next(n for n, sql in enumerate(statements) if "FOR UPDATE" in sql)
    assert "django_verify_verification" in statements[locked]
    assert not any(sql.startswith("DELETE") for sql in statements[:locked])


def test_a_message_that_is_under_way(service, outbox):
    row = verifications.start(service, PHONE)
    attempt = VerificationAttempt.objects.get()
    VerificationAttempt.objects.update(message_status="queued", sender="", lease="")
    data_subjects.erase(person())
    sent = len(outbox)
    delivery.take(attempt.sid)
    delivery.deliver_due()
    assert len(outbox) == sent
    assert scan(PHONE, row.sid) == set()


def test_an_app_that_fails_keeps_no_other_from_erasing(service, monkeypatch):
    verifications.start(service, PHONE)
    first = apps.get_app_config("auth")

    def fail(asked, *, dry_run):
        raise RuntimeError(PHONE)

    monkeypatch.setattr(first, "erase_person", fail, raising=False)
    receipt = data_subjects.erase(person())
    assert receipt.failed == ["auth"]
    assert receipt.apps == {"django_verify_users": 0}
    assert receipt.deleted["verification"] == 1
    assert not receipt.is_complete
    assert receipt.as_json()["failed"] == ["auth"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((PHONE,), TypeError),
        (([PHONE], IDENTITY), TypeError),
        (([14155552671],), TypeError),
        (([None],), TypeError),
        (([PHONE], [None]), TypeError),
        (([PHONE], [""]), ValueError),
        (([PHONE], ["  "]), ValueError),
        (([""],), ValueError),
    ],
)
def test_names_that_would_find_nobody(arguments, error):
    with pytest.raises(error) as caught:
        data_subjects.read(*arguments)
    assert "2671" not in str(caught.value)


def test_names_as_people_give_them():
    number = PhoneNumber.from_string(PHONE)
    assert data_subjects.read([number]).keys == {PHONE}
    assert data_subjects.read(identities=[f" {IDENTITY} "]).identities == {IDENTITY.lower()}


@pytest.fixture
def order():
    """A table of the site that refers to verifications."""

    class Order(models.Model):  # noqa: DJ008 - nothing shows one
        verification = models.ForeignKey(Verification, on_delete=models.CASCADE)

        class Meta:
            app_label = "auth"

    with connection.schema_editor() as editor:
        editor.create_model(Order)
    yield Order
    with connection.schema_editor() as editor:
        editor.delete_model(Order)
    del apps.all_models["auth"]["order"]
    apps.clear_cache()


def test_rows_of_the_site_that_refer_to_ours(service, order):
    row = verifications.start(service, PHONE)
    order.objects.create(verification=row)
    receipt = data_subjects.erase(person())
    assert receipt.deleted["verification"] == 1
    assert not order.objects.exists()


@pytest.mark.parametrize("fails", [False, True])
def test_an_erasure_while_the_message_is_at_the_provider(service, monkeypatch, fails):
    service.verify_event_subscription_enabled = True
    service.save()
    EventSink.objects.create(account=service.account, friendly_name="S", url="https://example.com/")
    sender = senders.configured()["memory"]

    def send(message):
        receipt = data_subjects.erase(person())
        assert receipt.deleted["verificationattempt"] == 1
        if fails:
            raise senders.TemporarySendError(f"no route to {PHONE}")
        return senders.Receipt("1")

    monkeypatch.setattr(sender, "send", send)
    verifications.start(service, PHONE)
    assert scan(PHONE) == set()


def test_a_resend_while_the_erasure_reads(service, monkeypatch):
    verifications.start(service, PHONE)
    held, added = erasing._held, []

    def held_after_a_resend(*args):
        if not added:
            added.append(verifications.start(service, PHONE))
        return held(*args)

    monkeypatch.setattr(erasing, "_held", held_after_a_resend)
    data_subjects.erase(person())
    assert scan(PHONE) == set()


def test_an_account_that_is_none(service):
    account = service.account
    assert data_subjects.read([PHONE], account=account.sid.upper()).account == account.sid
    with pytest.raises(TypeError, match="give its `sid`"):
        data_subjects.read([PHONE], account=account)
    for text in ("Acme", service.sid):
        with pytest.raises(ValueError, match="not the SID of an account"):
            data_subjects.read([PHONE], account=text)
