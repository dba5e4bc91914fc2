"""Every way of writing a row that processes keep copies of gives it another version."""

import copy
import pickle

import pytest
from django.core import serializers
from django.db import connection

from django_verify.models import Account, ApiKey, VerifyService
from tests.conftest import make_account, make_key, make_service

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
    update_or_create, delete_and_make_again, load_a_dump,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("number", range(3), ids=["account", "key", "service"])
def test_every_way_of_writing_changes_it(way, number):
    if way is bulk_create and connection.vendor == "mysql":
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
