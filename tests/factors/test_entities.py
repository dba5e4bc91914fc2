"""Entities and factors by their verbs: identities, limits, verification, events."""

import datetime as dt

import pyotp
import pytest
from django.db import transaction

from django_verify import exceptions, factors, signals
from django_verify.crypto import codes
from django_verify.db import autocommit
from django_verify.factors import entities
from django_verify.models import Entity, Factor, Webhook, WebhookDelivery
from tests.conftest import THREADS, make_account, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "user-0001"


def enrol(service, who=WHO, **params):
    return entities.enrol(service, who, "totp", "Phone", params=params)


def app(factor):
    """The authenticator app that has scanned the factor."""
    binding = factors.get("totp").binding(factor)
    return pyotp.TOTP(binding["secret"])


@pytest.fixture
def heard():
    """Every signal of a factor, as (name, SID)."""
    seen, kept = [], []
    for name in ("created", "verified", "deleted"):

        def note(factor, name=name, **_):
            seen.append((name, factor.sid))

        kept.append(note)
        getattr(signals, f"factor_{name}").connect(note)
    yield seen
    for name, note in zip(("created", "verified", "deleted"), kept, strict=True):
        getattr(signals, f"factor_{name}").disconnect(note)


def listen(service, *types):
    return Webhook.objects.create(
        service=service,
        friendly_name="Hook",
        event_types=list(types) or ["*"],
        webhook_url="https://hooks.example.com/",
    )


def received():
    return [
        (row.event_type, dict(row.payload))
        for row in WebhookDelivery.objects.order_by("date_created", "pk")
    ]


def test_an_identity_is_found_in_any_case_and_kept_as_given(service):
    entity = entities.create(service, "User-ABCD")
    assert entities.fetch(service, "uSER-abcd").identity == "User-ABCD"
    with pytest.raises(exceptions.EntityExists):
        entities.create(service, "user-abcd")
    assert Entity.objects.get() == entity


@pytest.mark.parametrize(
    "identity", ["", "short12", "a" * 65, "user_0001", "user 0001", "usér-0001", "user-0001\n"]
)
def test_what_is_no_identity(service, identity):
    with pytest.raises(exceptions.InvalidFactorParameter):
        entities.create(service, identity)
    with pytest.raises(exceptions.InvalidFactorParameter):
        enrol(service, identity)
    with pytest.raises(exceptions.NotFound):
        entities.fetch(service, identity)


def test_an_account_creates_forty_entities_a_second(service, account, clock):
    for number in range(20):
        entities.create(service, f"user-{number:04}")
        enrol(make_service(account) if number % 2 else service, f"site-{number:04}")
    with pytest.raises(exceptions.TooManyEntities) as refused:
        entities.create(service, "one-too-many")
    assert refused.value.retry_after == 1
    with pytest.raises(exceptions.TooManyEntities):
        enrol(service, "one-too-many")
    # What exists needs no creation, and another account has a limit of its own.
    enrol(service, "user-0001")
    with pytest.raises(exceptions.EntityExists):
        entities.create(service, "user-0001")
    entities.create(make_service(make_account("Other")), "one-too-many")
    clock.shift(1)
    enrol(service, "one-too-many")


def test_entities_of_one_moment_keep_the_limit(service, aligned, clock):
    for turn in range(4):

        def one(number, turn=turn):
            try:
                return entities.create(service, f"user-{turn}-{number:04}")
            except exceptions.TooManyEntities:
                return None

        made = aligned([lambda n=n: one(n) for n in range(THREADS)])
        assert len([row for row in made if row]) == 40
        clock.shift(1)


def test_services_have_their_own_identities(service, account):
    other = make_service(account)
    entities.create(service, WHO)
    entities.create(other, WHO)
    stranger = make_account("Stranger")
    service.account = stranger
    with pytest.raises(exceptions.NotFound):
        entities.fetch(service, WHO)


def test_a_factor_creates_its_entity(service, heard):
    factor = enrol(service, "User-0001")
    assert (factor.status, factor.entity.identity) == ("unverified", "User-0001")
    assert enrol(service, WHO).entity == factor.entity
    assert [name for name, _ in heard] == ["created", "created"]


def test_a_service_that_has_gone_gets_no_factor(service):
    type(service).objects.all().delete()
    with pytest.raises(exceptions.NotFound):
        enrol(service)
    with pytest.raises(exceptions.NotFound):
        entities.create(service, WHO)


def test_an_unknown_type_is_refused(service):
    with pytest.raises(exceptions.InvalidFactorParameter):
        entities.enrol(service, WHO, "retina", "Eye")


def test_the_right_code_verifies_once(service, heard):
    listen(service, "factor.verified")
    factor = enrol(service)
    code = app(factor).now()
    assert entities.verify(factor, code).status == "verified"
    assert heard[-1] == ("verified", factor.sid)
    (event,) = received()
    assert event[0] == "factor.verified"
    assert event[1]["entity_identity"] == WHO
    # 200 for any code would look like a check that succeeded.
    with pytest.raises(exceptions.InvalidFactorParameter):
        entities.verify(Factor.objects.select_related("entity").get(), code)
    assert len(received()) == 1


def test_a_factor_has_five_guesses(service):
    factor = enrol(service)
    code = app(factor).now()
    for number in range(5):
        assert entities.verify(factor, wrong(code, number + 1)).status == "unverified"
    with pytest.raises(exceptions.MaxFactorChecksReached):
        entities.verify(factor, code)
    assert Factor.objects.get().status == "unverified"


def test_what_is_malformed_costs_no_guess(service):
    factor = enrol(service)
    with pytest.raises(exceptions.InvalidFactorParameter):
        entities.verify(factor, "12345")
    assert Factor.objects.get().failures == 0


def test_a_guess_is_not_charged_where_it_could_be_used_back(service):
    factor = enrol(service)
    with transaction.atomic(), pytest.raises(autocommit.AtomicBlockError):
        entities.verify(factor, "123456")


def test_fifty_guesses_at_one_moment_compare_five(service, aligned, monkeypatch):
    seen, real = [], codes.matches
    monkeypatch.setattr(codes, "matches", lambda *a: seen.append(a[1]) or real(*a))
    for _ in range(2):
        factor = enrol(service, config_skew=0)
        code = app(factor).now()
        seen.clear()

        def guess(number, factor=factor, code=code):
            mine = Factor.objects.select_related("entity").get(sid=factor.sid)
            try:
                return entities.verify(mine, wrong(code, number + 1)).status
            except exceptions.MaxFactorChecksReached:
                return "refused"

        results = aligned([lambda n=n: guess(n) for n in range(THREADS)])
        assert (len(seen), results.count("unverified"), results.count("refused")) == (5, 5, 45)


def test_changes_of_a_factor(service):
    factor = enrol(service)
    changed = entities.update(factor, "Tablet", config_skew=2)
    assert (changed.friendly_name, changed.config["skew"]) == ("Tablet", 2)
    assert Factor.objects.get().config["skew"] == 2
    Factor.objects.all().delete()
    with pytest.raises(exceptions.NotFound):
        entities.update(factor, "Phone")


def test_changes_at_one_moment_are_all_kept(service, aligned):
    wanted = {"alg": "sha256", "skew": 2, "code_length": 8, "time_step": 60}
    for number in range(8):
        factor = enrol(service, f"user-{number:04}")
        found = [entities.fetch_factor(factor.entity, factor.sid) for _ in wanted]
        aligned(
            [
                lambda row=row, name=name, value=value: entities.update(
                    row, **{f"config_{name}": value}
                )
                for row, (name, value) in zip(found, wanted.items(), strict=True)
            ]
        )
        assert entities.fetch_factor(factor.entity, factor.sid).config == wanted


def test_a_deleted_factor_is_reported_once(service, heard):
    listen(service, "factor.deleted")
    factor = enrol(service)
    entities.delete_factor(factor)
    with pytest.raises(exceptions.NotFound):
        entities.delete_factor(factor)
    assert [name for name, _ in heard] == ["created", "deleted"]
    assert [name for name, _ in received()] == ["factor.deleted"]


def test_an_entity_goes_with_its_factors(service, heard):
    listen(service, "factor.deleted")
    first, second = enrol(service), enrol(service)
    entities.delete(first.entity)
    assert not Entity.objects.exists()
    assert {sid for name, sid in heard if name == "deleted"} == {first.sid, second.sid}
    assert len(received()) == 2
    entities.create(service, WHO)


def test_of_two_deletions_of_an_entity_one_is_reported(service, heard):
    entity = enrol(service).entity
    entities.delete(entity)
    with pytest.raises(exceptions.NotFound):
        entities.delete(entity)
    assert [name for name, _ in heard] == ["created", "deleted"]


def test_nothing_is_reported_of_what_is_rolled_back(service, heard):
    listen(service)
    with transaction.atomic():
        enrol(service)
        transaction.set_rollback(True)
    assert (heard, received(), Factor.objects.count()) == ([], [], 0)


def test_the_factors_of_a_type_are_limited(service, monkeypatch):
    monkeypatch.setattr(factors.get("totp"), "limit", 2)
    enrol(service)
    last = enrol(service)
    with pytest.raises(exceptions.TooManyFactors):
        enrol(service)
    entities.delete_factor(last)
    enrol(service)


def test_the_factors_of_a_day_are_limited(service, monkeypatch, clock):
    monkeypatch.setattr(entities, "ENROLMENTS_PER_DAY", 2)
    for _ in range(2):
        entities.delete_factor(enrol(service))
    clock.shift(3600)
    with pytest.raises(exceptions.TooManyEnrolments) as refused:
        enrol(service)
    assert refused.value.retry_after in {82_800, 82_801}
    clock.shift(dt.timedelta(hours=23))
    enrol(service)


def test_enrolments_at_one_moment_keep_the_limit(service, aligned, monkeypatch):
    monkeypatch.setattr(factors.get("totp"), "limit", 3)
    monkeypatch.setattr(entities, "MAX_TRIES", 200)

    def attempt(who):
        try:
            return enrol(service, who).sid
        except exceptions.TooManyFactors:
            return None

    for number in range(2):
        who = f"user-000{number}"
        made = [sid for sid in aligned([lambda who=who: attempt(who)] * 20) if sid]
        assert len(made) == 3 == Factor.objects.filter(entity__identity=who).count()
    assert Entity.objects.count() == 2
