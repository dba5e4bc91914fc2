"""No purge gives a guess back: random histories have the same budget before it and after it."""

import datetime as dt
import random
from collections import Counter
from itertools import product

import pytest
from django.db import transaction
from django.utils import timezone

from django_verify import retention, sids
from django_verify.exceptions import VerifyError
from django_verify.models import Verification
from django_verify.verifications import guess_budget
from django_verify.verifications.guess_budget import BACKEND, DEVICE, STRANGER

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
ORIGINS = {
    BACKEND: ("", False),
    DEVICE: ("CV" + "1" * 32, True),
    STRANGER: ("CV" + "1" * 32, False),
}
VERIFICATIONS = [kind for kind in retention.KINDS if kind.name == "verifications"]


def make_row(service, key, serial, begun, **values):
    """A verification that began at a moment, in any of the states that one can be left in."""
    values.setdefault("expires_at", begun + dt.timedelta(minutes=10))
    values.setdefault("date_updated", begun)
    values = {"code_length": 6, "max_checks": 5, "max_sends": 5, "channel": "sms"} | values
    return Verification(
        sid=sids.verification(begun),
        account_id=service.account_id,
        service=service,
        to=key,
        recipient_key=key,
        serial=serial,
        date_created=begun,
        sent_at=begun,
        **values,
    )


def history(chance, service, key, now):
    """Verifications of one recipient by all faces, which may overlap, over months."""
    oldest = chance.choice([3, 40, 60, 200])
    moments = sorted(
        now - chance.choice([oldest, oldest, 31, 30, 2]) * DAY * chance.random()
        for _ in range(chance.choice([1, 2, 3, 8, 19, 20, 21, 30, 45]))
    )
    approvals = chance.choice([0, 0.02, 0.1, 0.5])
    return [
        random_row(chance, service, key, serial, begun, now, approvals)
        for serial, begun in enumerate(moments, 1)
    ]


def random_row(chance, service, key, serial, begun, now, approvals):
    ends = begun + chance.choice([2, 10, 600, 1440]) * dt.timedelta(minutes=1)
    touched = begun + (ends - begun) * chance.random()
    status = chance.choice(["pending", "canceled", "expired", "max_attempts_reached"])
    checks = 5 if status == "max_attempts_reached" else chance.choice([0, 0, 1, 2, 4])
    if chance.random() < approvals:
        status, checks = "approved", chance.choice([0, 1, 1, 2, 5])
    if status == "expired":
        # Marked by the command, perhaps long after.
        touched = ends + chance.choice([0, 0.1, 20]) * DAY * chance.random()
    client, recognized = ORIGINS[chance.choice(list(ORIGINS))]
    return make_row(
        service,
        key,
        serial,
        begun,
        expires_at=ends,
        date_updated=min(touched, now),
        status=status,
        checks=checks,
        confirmed=status == "approved" and checks > 0 and chance.random() < 0.8,
        forgiven=chance.random() < 0.1 and (ends < now),
        is_test=chance.random() < 0.1,
        code_length=chance.choice([4, 5, 6, 6, 8, 10]),
        client=client,
        recognized=recognized,
    )


def answer(past, row, **options):
    try:
        return guess_budget.reserve(past, row, wanted=5, **options)
    except VerifyError as error:
        return type(error), str(error), getattr(error, "retry_after", None)


def budget(service, key, now):
    """All that the budget answers about a recipient at a moment."""
    past = guess_budget.history(service, key, now)
    used = Counter()
    for charge in past.since_approval(now):
        used[charge.origin, charge.code_length] += charge.guesses
    answers = [
        answer(
            past,
            Verification(client=client, recognized=recognized, code_length=digits),
            now=now,
            fixed=fixed,
            has_clients=has_clients,
        )
        for (client, recognized), digits, fixed, has_clients in product(
            ORIGINS.values(), (4, 6, 8), (False, True), (False, True)
        )
    ]
    return +used, [row.sid for row in past.rows if row.expires_at > now - DAY], answers


def budgets(service, keys, now):
    """The same at several moments, and after another verification of each recipient."""
    found = []
    for key, later in product(keys, (dt.timedelta(), DAY / 24, 40 * DAY)):
        found.append(budget(service, key, now + later))
    for status in ("approved", "canceled"):
        with transaction.atomic():
            for key in keys:
                past = guess_budget.history(service, key, now)
                serial = past.rows[0].serial + 1 if past.rows else 1
                values = {"status": status, "checks": 3, "confirmed": status == "approved"}
                make_row(service, key, serial, now, **values).save(force_insert=True)
                found.append(tuple(budget(service, key, now + 3 * DAY)[part] for part in (0, 2)))
            transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("nist", [False, True], ids=["", "with NIST's count"])
@pytest.mark.parametrize("seed", range(2))
def test_the_budget_is_the_same_before_and_after_a_purge(seed, nist, service, clock, settings):
    given = {"MAX_CONSECUTIVE_FAILURES": 100 if nist else None, "VERIFICATION_RETENTION_DAYS": 2}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **given}
    chance, now = random.Random(seed), timezone.now()
    keys = [f"+1415555{number:04}" for number in range(9)]
    rows = [row for key in keys for row in history(chance, service, key, now)]
    Verification.objects.bulk_create(rows)
    before = budgets(service, keys, now)
    (outcome,) = retention.purge(VERIFICATIONS, batch=chance.choice([7, 50, 1000]), share=1)
    assert 0 < outcome.deleted < len(rows)
    assert Verification.objects.count() == len(rows) - outcome.deleted
    assert budgets(service, keys, now) == before
    retention.purge(VERIFICATIONS, share=1)
    assert budgets(service, keys, now) == before
