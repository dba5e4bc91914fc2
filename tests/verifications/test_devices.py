"""Known devices: what their token opens, and all that it does not."""

import pytest

from django_verify import exceptions, proofs, verifications
from django_verify.models import ClientVerification, Verification
from django_verify.verifications import clients, devices
from django_verify.verifications.clients import Caller
from tests.conftest import OTHER_PHONE, PHONE, make_account, make_pair, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400


@pytest.fixture
def service(account):
    return make_service(account, client_enabled=True)


def start(service, token="", to=PHONE):
    return clients.start(service, to, caller=Caller(ip="192.0.2.1", device_token=token))


def check(state, code):
    return clients.check(state.sid, state.secret, code, caller=Caller(ip="192.0.2.1"))


@pytest.fixture
def token(service, outbox):
    """The token of an approval of PHONE."""
    return check(start(service), outbox[-1].code).device_token


def is_known(state):
    return ClientVerification.objects.get(sid=state.sid).verification.recognized


def test_only_an_approval_returns_one(service, outbox, clock):
    state = start(service)
    assert state.device_token == ""
    assert check(state, wrong(outbox[-1].code)).device_token == ""
    first = check(state, outbox[-1].code).device_token
    assert first
    again = clients.fetch(state.sid, state.secret, caller=Caller())
    assert again.device_token == first  # an answer that was lost
    assert first not in repr(again)
    clock.shift(600)
    assert clients.fetch(state.sid, state.secret, caller=Caller()).device_token == ""


def test_it_makes_the_next_start_known(service, token):
    state = start(service, token)
    assert is_known(state)
    assert not is_known(start(service))


def test_every_spelling_of_a_recipient_is_its_own(service, outbox):
    token = check(start(service, to="+5215512345678"), outbox[-1].code).device_token
    assert is_known(start(service, token, "+525512345678"))


def test_of_several_tokens_one_is_enough(service, token, outbox):
    other = check(start(service, to=OTHER_PHONE), outbox[-1].code).device_token
    assert is_known(start(service, f"{other}~{token}"))
    assert not is_known(start(service, f"{other}~x"))
    assert not is_known(start(service, "~".join(["x"] * devices.MOST + [token])))


def test_it_is_good_for_one_recipient_and_one_service(account, service, token):
    assert not is_known(start(service, token, OTHER_PHONE))
    assert not is_known(start(make_service(account, client_enabled=True), token))
    assert not is_known(start(make_service(make_account(), client_enabled=True), token))


def changed(token):
    key_id, sid, moment, signature = token.split(".")
    yield from ("", "x", ".", "...", token[:-1], token + "0", token.upper(), f" {token}", "\0", "é")
    yield f"{key_id}.{sid}.{int(moment) + 1}.{signature}"
    yield f"{key_id}.{'0' * 32}.{moment}.{signature}"
    yield f"other.{sid}.{moment}.{signature}"
    yield f"{key_id}.{sid}.{moment}.{'0' * 64}"
    yield f"{key_id}.{sid}.{'9' * 400}.{signature}"


def test_a_changed_one_is_a_stranger_s_and_no_error(service, token, settings):
    limits = {"number": [], "network": [], "prefix": []}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}
    for other in changed(token):
        assert not is_known(start(service, other)), other


def test_one_that_was_not_signed_here_costs_no_statement(service, token, django_assert_num_queries):
    with django_assert_num_queries(0):
        for other in changed(token):
            assert devices.recognize(other, service, PHONE) == ""
    with django_assert_num_queries(1):
        assert devices.recognize(token, service, PHONE)


def test_it_ends(clock, service, token, settings):
    clock.shift(180 * DAY - 5)
    assert is_known(start(service, token))
    clock.shift(5)
    assert not is_known(start(service, token))
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KNOWN_DEVICE_DAYS": 400}
    clock.shift(60)
    assert is_known(start(service, token))


def test_a_site_may_know_none(service, outbox, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KNOWN_DEVICE_DAYS": 0}
    assert check(start(service), outbox[-1].code).device_token == ""


def test_a_key_that_is_dropped_ends_it(service, token, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters indeed"
    assert is_known(start(service, token))
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_known(start(service, token))


def test_it_is_forgotten_for_its_recipient(service, token, outbox, clock):
    other = check(start(service, to=OTHER_PHONE), outbox[-1].code).device_token
    row = Verification.objects.filter(to=PHONE).first()
    assert devices.forget(row) == 1
    assert devices.forget(row) == 0
    assert not is_known(start(service, token))
    assert is_known(start(service, other, OTHER_PHONE))
    clock.shift(600)
    anew = check(start(service), outbox[-1].code).device_token
    assert is_known(start(service, anew))


def test_a_release_leaves_it(service, token):
    verifications.release(Verification.objects.get())
    assert is_known(start(service, token))


def test_a_test_number_makes_no_device_known(service, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service, PHONE, "424242")
    answer = check(start(service), "424242")
    assert (answer.valid, answer.device_token) == (True, "")


def test_it_opens_nothing(service, token):
    """Neither as a secret, nor as a proof, nor as a code."""
    state = start(service, token)
    with pytest.raises(exceptions.NotFound):
        clients.fetch(state.sid, token, caller=Caller(device_token=token))
    with pytest.raises(proofs.ProofRefused):
        proofs.redeem(token, purpose="verify")
    with pytest.raises(exceptions.NotFound):
        clients.check(state.sid, token, token[:6], caller=Caller(device_token=token))


def test_it_has_sends_and_checks_of_its_own(clock, service, token, outbox, settings):
    limits = {"network": [[1, 600]], "prefix": [[1, 600]], "checks": [[1, 600]]}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}
    clock.shift(600)
    stranger = start(service)
    check(stranger, wrong(outbox[-1].code))
    for limit, call in (
        ("network", lambda: start(service)),
        ("checks", lambda: check(stranger, outbox[0].code)),
    ):
        with pytest.raises(exceptions.TooManyRequests) as caught:
            call()
        assert caught.value.limit == limit
    for _ in range(5):
        state = start(service, token)
        assert not check(state, wrong(outbox[-1].code)).valid
    with pytest.raises(exceptions.TooManyRequests) as caught:
        start(service, token)
    assert caught.value.limit == "number"
    clock.shift(600)
    state = start(service, token)
    clock.shift(31)
    clients.resend(state.sid, state.secret, caller=Caller())
    assert check(state, outbox[-1].code).valid
