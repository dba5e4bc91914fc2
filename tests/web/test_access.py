"""Views that need a recipient proved in this session: the decorator and the mixin."""

from types import SimpleNamespace

import pytest
from django.test import Client

from django_verify.web import sessions
from django_verify.web.access import verified_recipient
from tests.conftest import PHONE, code_in, make_pair
from tests.web.conftest import Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.urls")]

DOORS = pytest.mark.parametrize("door", ["/plain/", "/class/"])


@pytest.fixture(autouse=True)
def _open(service):
    """Every test has a service that is open to pages."""


@DOORS
def test_a_visitor_is_sent_to_verify_and_comes_back(outbox, door):
    visitor = Visitor()
    response = visitor.client.get(door, {"page": 2})
    assert response.headers["Location"] == f"/?next={door}%3Fpage%3D2"
    page = visitor.get(next=f"{door}?page=2")
    visitor.start(next=page.one("input", name="next")["value"])
    answer = {"code": code_in(outbox[0]), "verification": visitor.sid}
    target = visitor.client.post("/code/", answer).headers["Location"]
    assert target == f"{door}?page=2"
    assert visitor.client.get(target).content.decode() in {"in", f"in {PHONE}"}


@DOORS
def test_not_for_long(outbox, clock, door):
    visitor = Visitor()
    visitor.start()
    visitor.check(code_in(outbox[0]))
    clock.shift(899)
    assert visitor.client.get(door).status_code == 200
    clock.shift(1)
    assert visitor.client.get(door).status_code == 302
    assert Client().get(door).status_code == 302


@DOORS
def test_a_start_alone_opens_nothing(door):
    visitor = Visitor()
    visitor.start()
    assert visitor.client.get(door).status_code == 302


def test_each_purpose_is_proved_for_itself(outbox):
    visitor = Visitor()
    visitor.start()
    visitor.check(code_in(outbox[0]))
    response = visitor.client.get("/purpose/")
    assert response.headers["Location"] == "/signup/?next=/purpose/"
    signup = Visitor("/signup/")
    signup.client = visitor.client
    signup.start("+15017122661")
    answer = {"code": code_in(outbox[1]), "verification": signup.sid}
    assert signup.client.post("/signup/code/", answer).status_code == 200
    assert visitor.client.get("/purpose/").status_code == 200
    assert visitor.client.get("/class/").content == b"in +15017122661"


@DOORS
def test_a_test_number_opens_only_what_is_open_to_it(service, settings, door):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service, PHONE, "482913")
    visitor = Visitor()
    visitor.start()
    visitor.check("482913")
    assert visitor.redirects == ["/done/"]
    assert visitor.client.get(door).status_code == 302
    assert visitor.client.get(f"/test{door}").status_code == 200
    request = SimpleNamespace(session=visitor.client.session)
    assert verified_recipient(request) is None
    assert verified_recipient(request, allow_test=True).is_test


def test_a_repr_shows_no_recipient():
    fact = sessions.VerifiedRecipient(PHONE, "sms", "verify", 0.0)
    assert PHONE not in repr(fact)
    assert "hush" not in repr(sessions.UnderWay("CV1", "hush"))
