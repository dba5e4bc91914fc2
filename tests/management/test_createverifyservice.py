"""`createverifyservice`: a service under a SID of one's own."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_verify import sids
from django_verify.models import VerifyService
from tests.conftest import Api, make_account, make_service

pytestmark = pytest.mark.django_db

SID = "VA0123456789abcdef0123456789ABCDEF"


def create(*arguments, name="Shop"):
    out = StringIO()
    call_command("createverifyservice", "--friendly-name", name, *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_a_service_is_printed_as_one_json_object(account):
    answer = create()
    service = VerifyService.objects.get()
    assert answer == {"service_sid": service.sid, "account_sid": account.sid}
    assert sids.is_sid("VA", service.sid)
    assert (service.friendly_name, service.code_length) == ("Shop", 6)


def test_a_given_sid_answers_in_both_cases(account, api):
    assert create("--sid", SID, "--code-length", "4")["service_sid"] == sids.canonical(SID)
    for sid in (SID, sids.canonical(SID)):
        assert api.get(f"Services/{sid}").data["code_length"] == 4


def test_visitors_may_use_it_by_the_channels_that_are_named(account):
    create("--client-channels", "sms", "email")
    service = VerifyService.objects.get()
    assert (service.client_enabled, service.client_channels) == (True, ["sms", "email"])
    with pytest.raises(CommandError, match="fax"):
        create("--client-channels", "fax")
    create(name="Other")
    assert VerifyService.objects.filter(client_enabled=True).count() == 1


def test_a_second_one_that_is_open_is_warned_of(account, settings):
    def warned(*arguments):
        err = StringIO()
        options = ["--friendly-name", "Shop", *arguments]
        call_command("createverifyservice", *options, stdout=StringIO(), stderr=err)
        return "several services are open to clients" in err.getvalue()

    opened = ("--client-channels", "sms")
    assert [warned(*opened), warned(), warned(*opened)] == [False, False, True]
    sid = VerifyService.objects.filter(client_enabled=True).values_list("sid", flat=True)[0]
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_SERVICE": sid}
    assert not warned(*opened)


def test_without_an_account_the_command_that_makes_one_is_named(db):
    with pytest.raises(CommandError, match="createverifyaccount"):
        create()


@pytest.mark.parametrize("again", [SID, sids.canonical(SID)])
def test_a_sid_that_is_taken(account, again):
    create("--sid", SID)
    with pytest.raises(CommandError, match="exists"):
        create("--sid", again, name="Other")
    assert VerifyService.objects.get().friendly_name == "Shop"


def test_the_service_of_another_account_is_not_taken_over(account):
    theirs = make_service(sid=sids.canonical(SID))
    with pytest.raises(CommandError, match="exists"):
        create("--sid", SID, "--account", account.sid)
    assert VerifyService.objects.get().account_id == theirs.account_id


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sid", "VA123"], "--sid"),
        (["--sid", "MG" + "0" * 32], "--sid"),
        (["--sid", SID + "\n"], "--sid"),
        (["--account", "AC" + "0" * 32], "--account"),
        (["--account", "me"], "--account"),
        (["--code-length", "3"], "--code-length"),
        (["--friendly-name", " "], "--friendly-name"),
        (["--friendly-name", "x" * 31], "--friendly-name"),
        (["--friendly-name", "https://shop.example"], "--friendly-name"),
    ],
    ids=str,
)
def test_bad_input_is_a_command_error(account, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        create(*arguments)
    assert not VerifyService.objects.exists()


def test_the_account_may_be_left_out_where_it_is_clear():
    with pytest.raises(CommandError, match="no account"):
        create()
    first, second = make_account(), make_account()
    with pytest.raises(CommandError, match="more than one"):
        create()
    answer = create("--account", second.sid)
    assert answer["account_sid"] == second.sid
    assert Api(first.sid, first.token).get(f"Services/{answer['service_sid']}").status == 404
