"""`manage.py rekeyrecipients`: stored rows move to the keys of today, in batches, under traffic."""

import datetime as dt
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from django_verify import exceptions, signals, verifications
from django_verify.models import SafeListNumber, TestNumber, Verification
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone
from django_verify.verifications import rekeying
from tests.conftest import PHONE, code_in, make_pair, make_service

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "+22997123456", "+2290197123456"


def rekey(*arguments):
    out, err = StringIO(), StringIO()
    call_command("rekeyrecipients", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def before(row, to=OLD):
    """Let a row be what it was before the table knew that its number had changed."""
    serials = Verification.objects.filter(recipient_key=to).count()
    Verification.objects.filter(pk=row.pk).update(to=to, recipient_key=to, serial=serials + 1)


def started(service, to, *, cancel=True):
    row = verifications.start(service, to)
    if cancel:
        verifications.cancel(service, row.sid)
    return row


def test_two_histories_become_one_in_the_order_of_their_starts(outbox, clock):
    service = make_service()
    rows = []
    for turn in range(6):
        row = started(service, NEW, cancel=turn < 5)
        if turn % 2 == 0:
            before(row)
        rows.append(row.sid)
        clock.shift(1)
    other = started(service, PHONE)
    out, err = rekey("--batch", "2")
    assert not err
    found = Verification.objects.filter(recipient_key=NEW).order_by("serial")
    assert [row.sid for row in found] == rows
    assert Verification.objects.get(pk=other.sid).serial == 1
    assert not Verification.objects.filter(recipient_key=OLD).exists()
    assert "1 recipients moved" in out
    code = code_in(outbox[5])
    assert verifications.check(service, code, to=OLD).status == "approved"


def test_a_second_run_changes_nothing(outbox):
    service = make_service()
    before(started(service, NEW))
    rekey()
    kept = list(Verification.objects.values_list("sid", "recipient_key", "serial"))
    out, _ = rekey()
    assert " 0 recipients moved" in out
    assert list(Verification.objects.values_list("sid", "recipient_key", "serial")) == kept


def test_a_run_goes_on_where_it_was_cut_off(outbox):
    service = make_service()
    rows = [started(service, NEW), started(service, PHONE)]
    out, _ = rekey("--after", rows[0].sid)
    assert f"up to {rows[1].sid}" in out
    assert rows[0].sid not in out
    with pytest.raises(CommandError, match="SID"):
        rekey("--after", "nonsense")


def test_a_start_in_the_middle_loses_nothing(outbox, monkeypatch):
    service = make_service()
    before(started(service, NEW))
    started(service, NEW)
    real, raced = rekeying.recipient_key, []

    def in_between(to):
        if not raced:
            raced.append(to)
        elif len(raced) == 1:
            raced.append(started(service, NEW).sid)
        return real(to)

    monkeypatch.setattr(rekeying, "recipient_key", in_between)
    rekey()
    found = Verification.objects.filter(recipient_key=NEW)
    assert found.count() == 3
    assert len(set(found.values_list("serial", flat=True))) == 3


@pytest.mark.parametrize("has_some", [True, False])
def test_a_start_that_has_read_before_counts_what_has_moved(has_some):
    service = make_service()
    if has_some:
        started(service, NEW)
    for _ in range(4):
        before(verifications.start(make_service(service.account), NEW))

    def move(**_):
        signals.verification_starting.disconnect(dispatch_uid="host")
        rekey()

    signals.verification_starting.connect(move, weak=False, dispatch_uid="host")
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, NEW)


def test_mailboxes_move_too(outbox):
    service = make_service()
    row = verifications.start(service, "jane@gmail.com", "email")
    before(row, "j.ane@gmail.com")
    rekey()
    assert Verification.objects.get(pk=row.sid).recipient_key == "jane@gmail.com"
    assert verifications.fetch(service, "ja.ne@googlemail.com").sid == row.sid


def test_of_two_entries_of_the_safe_list_one_stays():
    account = make_service().account
    for number in (NEW, PHONE):
        SafeListNumber.objects.create(account=account, phone_number=number)
    entry = SafeListNumber.objects.get(key=PHONE)
    SafeListNumber.objects.filter(pk=entry.pk).update(phone_number=OLD, key=OLD)
    rekey()
    assert [row.key for row in SafeListNumber.objects.all()] == [NEW]


def test_pairs_move_and_a_used_one_is_reported(settings):
    service = make_service()
    end = timezone.now() + dt.timedelta(days=7)
    first = make_pair(service, NEW, expires_at=end)
    second = make_pair(service, PHONE, expires_at=end)
    TestNumber.objects.filter(pk=second.pk).update(recipient=OLD, key=OLD)
    _, err = rekey()
    assert second.sid in err
    first.delete()
    assert rekey()[1] == ""
    assert TestNumber.objects.get().key == NEW


def test_a_number_that_two_users_have_is_left_to_the_site():
    users = [get_user_model().objects.create_user(name) for name in ("ann", "bob")]
    verified_phones.confirm(users[0], NEW)
    other = verified_phones.confirm(users[1], PHONE)
    pending = verified_phones.claim(users[1], "+14155552672")
    VerifiedPhone.objects.filter(pk=other.pk).update(number=OLD, key=OLD, claim=OLD)
    VerifiedPhone.objects.filter(pk=pending.pk).update(number="+22996123456", key="+22996123456")
    _, err = rekey()
    assert f"by hand: {other.pk}" in err
    other.refresh_from_db()
    assert (other.claim, VerifiedPhone.objects.filter(claim=NEW).get().user) == (OLD, users[0])
    pending.refresh_from_db()
    assert (pending.key, pending.claim) == ("+2290196123456", None)
    verified_phones.release(verified_phones.primary(users[0]))
    assert rekey()[1] == ""
    other.refresh_from_db()
    assert (other.claim, other.key) == (NEW, NEW)
