"""Every way of writing a row that processes keep copies of gives it another version."""

import copy
import pickle
from functools import partial

import pytest
from django.core import serializers
from django.db import connection

from django_verify.models import (
    Account,
    ApiKey,
    Bucket,
    EventSink,
    RateLimit,
    TestNumber,
    VerifyService,
)
from django_verify.models.versions import Versioned
from tests.conftest import make_account, make_key, make_pair, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.every_case]


def rows():
    account = make_account()
    return [account, make_key(account), make_service(account)]


def save(row):
    row.save()


def save_a_field(row):
    row.save(update_fields=["friendly_name"])


def update(row):
    type(row).objects.filter(pk=row.pk).update(friendly_name="Other")


def update_by_the_base_manager(row):
    type(row)._base_manager.filter(pk=row.pk).update(friendly_name="Other")


def bulk_update(row):
    type(row).objects.bulk_update([row], ["friendly_name"])


def bulk_create(row):
    type(row).objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["sid"], update_fields=["friendly_name"]
    )


def bulk_create_by_place(row):
    row.friendly_name = "Other"
    type(row).objects.bulk_create([row], None, False, True, ["friendly_name"], ["sid"])


def update_or_create(row):
    type(row).objects.update_or_create(pk=row.pk, defaults={"friendly_name": "Other"})


def delete_and_make_again(row):
    copy = type(row).objects.get(pk=row.pk)
    row.delete()
    copy.save(force_insert=True)


def load_a_dump(row):
    """As `loaddata` does, from a dump that somebody may have edited."""
    (loaded,) = serializers.deserialize("json", serializers.serialize("json", [row]))
    loaded.save()


WAYS = [
    save, save_a_field, update, update_by_the_base_manager, bulk_update, bulk_create,
    bulk_create_by_place, update_or_create, delete_and_make_again, load_a_dump,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("number", range(3), ids=["account", "key", "service"])
def test_every_way_of_writing_changes_it(way, number):
    if way in {bulk_create, bulk_create_by_place} and connection.vendor == "mysql":
        pytest.skip("it names no unique fields there")
    row = rows()[number]
    stored = type(row).objects.get(pk=row.pk)
    way(row)
    assert type(row).objects.get(pk=stored.pk).version != stored.version


def test_the_rows_of_a_relation_too():
    account = make_account()
    service = make_service(account)
    account.services.update(code_length=8)
    assert VerifyService.objects.get().version != service.version


def test_an_empty_save_writes_nothing():
    account = make_account()
    before = Account.objects.get().version
    account.save(update_fields=[])
    assert Account.objects.get().version == before


def test_a_copy_is_closed_to_changes():
    service = make_service(senders={"sms": ["a"]})
    copy = VerifyService.objects.get(pk=service.pk).frozen()
    for change in (
        lambda: setattr(copy, "code_length", 8),
        lambda: copy.save(),
        lambda: copy.channels.append("sms"),
        lambda: copy.senders.update(sms=[]),
        lambda: copy.senders["sms"].append("b"),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    with pytest.raises(TypeError, match=r"VerifyService\.objects\.get\(pk='VA"):
        copy.friendly_name = "Other"
    assert VerifyService.objects.get(pk=copy.pk).code_length == 6


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_it_may_be_changed(copied):
    """A receiver of the host's may put a verification, and with it its service, into a queue."""
    make_service(senders={"sms": ["a"], "email": []}, channels=["sms"])
    kept = VerifyService.objects.get().frozen()
    own = copied(kept)
    own.senders["sms"].append("b")
    own.channels.append("call")
    own.friendly_name = "Other"
    own.save()
    found = VerifyService.objects.get()
    assert (found.senders, found.channels) == ({"sms": ["a", "b"], "email": []}, ["sms", "call"])
    assert (dict(kept.senders), kept.channels) == ({"sms": ("a",), "email": ()}, ("sms",))
    with pytest.raises(TypeError):
        kept.friendly_name = "Other"


def test_a_row_that_was_not_frozen_is_as_ever():
    key = make_key(make_account())
    key.friendly_name = "Other"
    key.save()
    assert ApiKey.objects.get().friendly_name == "Other"


# What is kept under the version of another row


def limit_of(service):
    return RateLimit.objects.create(service=service, unique_name="ip")


def bucket_of(service):
    return Bucket.objects.create(rate_limit=limit_of(service), max=1, interval=60)


def sink_of(service):
    url = "https://example.com/"
    return EventSink.objects.create(account=service.account, service=service, url=url)


#: A row that is kept, the column that changes, and its next value.
PARTS = {
    "test number": (make_pair, "is_active", False),
    "limit": (limit_of, "unique_name", "agent"),
    "bucket": (bucket_of, "max", 2),
    "sink": (sink_of, "status", "disabled"),
}


def owner(row):
    """The row whose version is another one when this row has changed, as the database has it."""
    while not isinstance(row, Versioned):
        row = getattr(row, row.part_of)
    return type(row).objects.get(pk=row.pk)


def fresh(row):
    """The row, which does not know its owner yet."""
    return type(row).objects.get(pk=row.pk)


def rows_of(row):
    return type(row).objects.filter(pk=row.pk)


def save_it(row, name, value):
    setattr(row, name, value)
    row.save()


def save_the_column(row, name, value):
    setattr(row, name, value)
    row.save(update_fields=[name])


def bulk_update_it(row, name, value):
    setattr(row, name, value)
    type(row).objects.bulk_update([row], [name])


def replace_it(row, name, value):
    """By its unique columns, under another key."""
    row.delete()
    setattr(row, name, value)
    type(row).objects.bulk_create([row])


def load_it(row, name, value):
    setattr(row, name, value)
    (loaded,) = serializers.deserialize("json", serializers.serialize("json", [row]))
    loaded.save()


def upsert_it(row, name, value):
    setattr(row, name, value)
    unique = {} if connection.vendor == "mysql" else {"unique_fields": ["sid"]}
    type(row).objects.bulk_create([row], update_conflicts=True, update_fields=[name], **unique)


CHANGES = {
    "save": save_it,
    "save a column": save_the_column,
    "update": lambda row, name, value: rows_of(row).update(**{name: value}),
    "update by the base manager": lambda row, name, value: (
        type(row)._base_manager.filter(pk=row.pk).update(**{name: value})
    ),
    "bulk_update": bulk_update_it,
    "bulk_create": replace_it,
    "bulk_create with conflicts": upsert_it,
    "update_or_create": lambda row, name, value: type(row).objects.update_or_create(
        pk=row.pk, defaults={name: value}
    ),
    "load a dump": load_it,
    "delete": lambda row, name, value: row.delete(),
    "delete many": lambda row, name, value: rows_of(row).delete(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", PARTS)
def test_every_change_of_a_part_is_one_of_its_owner(part, change):
    make, name, value = PARTS[part]
    row = fresh(make(make_service()))
    before = owner(row)
    CHANGES[change](row, name, value)
    assert owner(before).version != before.version
    found = rows_of(row).values_list(name, flat=True)
    assert list(found) == ([] if "delete" in change else [value])


@pytest.mark.parametrize("part", PARTS)
def test_a_new_part_is_a_change_of_its_owner(part):
    service = make_service()
    versions = {fresh(row).version for row in (service, service.account)}
    row = PARTS[part][0](service)
    assert owner(row).version not in versions


def many_limits(service, number):
    RateLimit.objects.bulk_create([RateLimit(service=service, unique_name=f"ip{number}")])


NEW_PARTS = {
    "test number": lambda service, number: make_pair(service, f"+14155552{number:03}"),
    "limit": lambda service, number: RateLimit.objects.create(
        service=service, unique_name=f"ip{number}"
    ),
    "sink": lambda service, number: sink_of(service),
    "many": many_limits,
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", NEW_PARTS)
def test_new_parts_of_one_owner_do_not_wait_for_each_other_in_a_circle(aligned, part):
    service = make_service()
    make = partial(NEW_PARTS[part], service)
    aligned([partial(make, number) for number in range(20)])
    kept = {"test number": TestNumber, "sink": EventSink}.get(part, RateLimit)
    assert kept.objects.count() == 20


def test_a_limit_that_goes_takes_its_buckets_along():
    bucket = bucket_of(make_service())
    before = owner(bucket)
    bucket.rate_limit.delete()
    assert fresh(before).version != before.version


def test_a_sink_that_goes_with_its_service_is_a_change_of_the_account():
    sink = sink_of(make_service())
    before = owner(sink)
    sink.service.delete()
    assert fresh(before).version != before.version


@pytest.mark.parametrize("by", ["save", "update", "bulk_update", "load a dump"])
def test_a_part_that_moves_is_a_change_of_both(by):
    mine = limit_of(make_service())
    bucket = fresh(bucket_of(make_service()))
    before = [owner(bucket), owner(mine)]
    CHANGES[by](bucket, "rate_limit", mine)
    assert fresh(bucket).rate_limit_id == mine.pk
    assert all(fresh(row).version != row.version for row in before)


def test_others_are_left_alone():
    bucket, other = bucket_of(make_service()), bucket_of(make_service())
    before = owner(other)
    Bucket.objects.filter(pk=bucket.pk).update(max=7)
    assert (fresh(before).version, fresh(other).max) == (before.version, 1)


def test_what_no_copy_has_is_no_change():
    """The workers write into a sink's row at each post."""
    sink, limit = sink_of(make_service()), limit_of(make_service())
    before = [owner(sink), owner(limit)]
    EventSink.objects.update(failing_since=None, lease="")
    sink.save(update_fields=["sealed_secret", "date_updated"])
    RateLimit.objects.update(description="of a device")
    assert [fresh(row).version for row in before] == [row.version for row in before]


@pytest.mark.django_db(transaction=True)
def test_a_change_and_its_version_stand_and_fall_together(monkeypatch):
    """Or a process could keep the old row under the new version, for good."""
    bucket = bucket_of(make_service())

    def fail(self, **changes):
        raise ZeroDivisionError

    monkeypatch.setattr(type(VerifyService.objects.all()), "update", fail)
    for change in ("save", "update", "bulk_update", "delete", "delete many"):
        with pytest.raises(ZeroDivisionError):
            CHANGES[change](fresh(bucket), "max", 2)
        assert fresh(bucket).max == 1
