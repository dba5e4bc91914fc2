"""The copies of accounts, keys and services, and how a change of the database is found out."""

import pytest

from django_verify.db import config_cache, queries
from django_verify.db.config_cache import Known, Outdated
from django_verify.models import SenderState
from tests.conftest import PHONE, Api, make_account, make_key, make_pair, make_service

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_kept():
    config_cache.forget()


def known(service, name=""):
    found = queries.credential(name or service.account_id)
    return Known(found, queries.service(service.sid, service.account_id))


def at_start(service, name=""):
    of = known(service, name)
    return lambda: queries.at_start(service, PHONE, of)


CHANGES = {
    "the account is off": lambda s, k: type(s.account).objects.update(is_active=False),
    "the account's token": lambda s, k: s.account.save(),
    "the service": lambda s, k: s.save(),
    "another service is opened to clients": lambda s, k: make_service(
        s.account, client_enabled=True
    ),
    "the first test number": lambda s, k: make_pair(s),
    "the first sender that fails": lambda s, k: SenderState.objects.create(alias="a", failures=1),
    "the service has gone": lambda s, k: s.delete(),
    "the account has gone": lambda s, k: s.account.delete(),
    "the key is off": lambda s, k: type(k).objects.filter(pk=k.pk).update(is_active=False),
    "the key has gone": lambda s, k: k.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_outdated(service, change):
    key = make_key(service.account)
    by_key, by_account = at_start(service, key.sid), at_start(service)
    by_key()
    by_account()
    CHANGES[change](service, key)
    with pytest.raises(Outdated):
        by_key()
    if "key" in change:
        by_account()
    else:
        with pytest.raises(Outdated):
            by_account()


@pytest.mark.parametrize("change", ["the account is off", "the account has gone", "the key is off"])
def test_a_check_compares_the_caller(service, change):
    key = make_key(service.account)
    found = Known(queries.credential(key.sid))
    for read in (
        lambda: queries.at_check(service, PHONE, found),
        lambda: queries.verification("VE" + "0" * 32, service, found),
    ):
        read()
    CHANGES[change](service, key)
    for read in (
        lambda: queries.at_check(service, PHONE, found),
        lambda: queries.verification("VE" + "0" * 32, service, found),
    ):
        with pytest.raises(Outdated):
            read()


def test_what_others_change_is_no_matter(service):
    read = at_start(service)
    make_service(service.account)
    make_key(service.account)
    make_pair(make_service(service.account))
    make_service(make_account("Other"), client_enabled=True)
    read()


def test_a_key_of_another_account_confirms_nothing(service):
    key = make_key(make_account("Other"))
    of = known(service)
    of.credential = config_cache.Credential(of.credential.account, key.sid, "", key.version)
    with pytest.raises(Outdated):
        queries.at_start(service, PHONE, of)


def test_what_is_outdated_is_forgotten(service):
    of = known(service)
    config_cache.remember(of.credential, of.service)
    service.save()
    with pytest.raises(Outdated):
        queries.at_start(service, PHONE, of)
    assert config_cache.credential(service.account_id) is None
    assert config_cache.service(service.sid, service.account_id) is None


def test_a_service_is_its_account_s_alone(service):
    of = known(service)
    config_cache.remember(of.credential, of.service)
    assert config_cache.service(service.sid, service.account_id).account is of.credential.account
    assert config_cache.service(service.sid, make_account("Other").sid) is None


def test_parts_are_kept_for_the_version_that_they_were_read_under():
    reads = iter("abcdef")
    of = lambda owner, version: config_cache.parts(owner, version, lambda: next(reads))  # noqa: E731
    assert (of("VA1", 1), of("VA1", 1), of("VA2", 1)) == ("a", "a", "b")
    assert (of("VA1", 2), of("VA1", 2), of("VA2", 1)) == ("c", "c", "b")
    assert (of("VA1", None), of("VA1", None), of("VA1", 2)) == ("d", "e", "c")
    config_cache.forget()
    assert of("VA1", 2) == "f"


LIMIT_CHANGES = {
    "a maximum": (lambda limit: limit.buckets.update(max=2), [201, 429]),
    "an interval": (lambda limit: limit.buckets.update(interval=3600), [201, 429]),
    "one bucket more": (lambda limit: limit.buckets.create(max=1, interval=3600), [429]),
    "no bucket": (lambda limit: limit.buckets.get().delete(), [201, 201]),
    "no limit": (lambda limit: limit.delete(), [400]),
    "another name": (lambda limit: type(limit).objects.update(unique_name="agent"), [400]),
}


@pytest.mark.parametrize("change", LIMIT_CHANGES)
def test_a_changed_limit_counts_at_the_next_start(account, change):
    service, api = make_service(account), Api(account.sid, account.token)
    limit = service.rate_limits.create(unique_name="ip")
    limit.buckets.create(max=1, interval=86_400)
    numbers = iter(range(200, 300))

    def start():
        form = {"To": f"+1415555{next(numbers):04}", "Channel": "sms"}
        form["RateLimits"] = '{"ip": "203.0.113.9"}'
        return api.post(f"Services/{service.sid}/Verifications", form).status

    assert [start(), start()] == [201, 429]
    write, answers = LIMIT_CHANGES[change]
    write(limit)
    assert [start() for _ in answers] == answers


def test_copies_are_bounded(service, monkeypatch):
    monkeypatch.setattr(config_cache, "MOST", 3)
    for number in range(10):
        account = make_account(f"Account {number}")
        config_cache.remember(queries.credential(account.sid))
        assert config_cache.credential(account.sid)
        config_cache.parts(account.sid, 1, list)
        assert len(config_cache._credentials) <= 3
        assert len(config_cache._parts) <= 3
