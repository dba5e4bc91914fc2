"""Callers without credentials: each alone with its verification, its secret and its limits."""

from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_verify import conf, exceptions, fraud, proofs, verifications
from django_verify.crypto import codes
from django_verify.delivery import circuit_breakers
from django_verify.models import ClientVerification, Verification, VerificationAttempt
from django_verify.signals import client_approved, verification_starting
from django_verify.users import verified_phones
from django_verify.verifications import carrier_lookup, clients, offers, verbs
from django_verify.verifications.clients import Caller
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Caller(ip="192.0.2.1")


@pytest.fixture
def service(account):
    return make_service(account, client_enabled=True)


def start(service, to=PHONE, caller=HERE, **values):
    return clients.start(service, to, caller=caller, **values)


def check(state, code, caller=HERE, secret=None):
    return clients.check(state.sid, secret or state.secret, code, caller=caller)


def resend(state, channel="", caller=HERE, secret=None):
    return clients.resend(state.sid, secret or state.secret, channel, caller=caller)


def numbered(n):
    """A number with a prefix of its own for every ten."""
    return f"+14152{n:03d}100"


def row_of(state):
    return ClientVerification.objects.get(sid=state.sid).verification


def test_the_whole_way(service, outbox, clock):
    state = start(service)
    assert (state.to, state.channel, state.purpose, state.status) == (
        PHONE,
        "sms",
        "verify",
        "pending",
    )
    assert (state.sends_left, state.checks_left) == (4, 5)
    assert (state.next_send_at - row_of(state).sent_at).total_seconds() == 30
    assert state.channels == ["call", "whatsapp", "telegram"]
    answer = check(state, wrong(code_in(outbox[0])))
    assert (answer.valid, answer.checks_left) == (False, 4)
    answer = check(state, code_in(outbox[0]))
    assert (answer.valid, answer.status, answer.checks_left) == (True, "approved", 0)
    fetched = clients.fetch(state.sid, state.secret, caller=HERE)
    assert (fetched.valid, fetched.secret) == (True, "")
    with pytest.raises(clients.VerificationOver) as caught:
        check(state, code_in(outbox[0]))
    assert caught.value.ending == "approved"


def test_the_secret_is_not_stored_nor_shown(service):
    state = start(service)
    stored = ClientVerification.objects.get()
    assert state.secret not in stored.secret_hash
    assert codes.secret_matches(stored.secret_hash, state.secret)
    assert state.secret not in repr(state)
    assert PHONE not in repr(state)


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "a" * 10_000])
def test_without_the_secret_nothing_is_charged_or_reported(service, outbox, clock, secret):
    state = start(service)
    clock.shift(31)
    for call in (
        lambda: clients.check(state.sid, secret, code_in(outbox[0]), caller=HERE),
        lambda: clients.resend(state.sid, secret, caller=HERE),
        lambda: clients.fetch(state.sid, secret, caller=HERE),
        lambda: clients.fetch("CV" + "0" * 32, state.secret, caller=HERE),
    ):
        with pytest.raises(exceptions.NotFound) as caught:
            call()
        assert type(caught.value) is exceptions.NotFound
    row = row_of(state)
    assert (row.checks, row.sends, row.status, len(outbox)) == (0, 1, "pending", 1)
    assert check(state, code_in(outbox[0])).valid


def test_a_stranger_with_the_same_number_burns_nothing_of_the_owner(service, outbox):
    owner = start(service)
    stranger = start(service, caller=Caller(ip="198.51.100.7"))
    assert row_of(owner).sid != row_of(stranger).sid
    mine, theirs = code_in(outbox[0]), code_in(outbox[1])
    for number in range(stranger.checks_left):
        check(stranger, wrong(theirs, number + 1))
    with pytest.raises(exceptions.MaxChecksReached):
        check(stranger, theirs)
    assert check(owner, mine).valid


def test_nor_do_the_api_and_a_client_meet(service, outbox):
    client = start(service)
    row = verifications.start(service, PHONE)
    assert row.sid != row_of(client).sid
    assert verifications.check(service, code_in(outbox[1]), to=PHONE).valid
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code_in(outbox[0]), to=PHONE)
    with pytest.raises(exceptions.NotFound):
        verifications.cancel(service, PHONE)
    assert check(client, code_in(outbox[0])).valid


def test_each_resend_waits_longer(service, outbox, clock):
    state = start(service)
    for wait, channel in zip((30, 40, 60, 90), ("", "call", "whatsapp", "sms"), strict=True):
        clock.shift(wait - 1)
        with pytest.raises(clients.ResendTooSoon) as caught:
            resend(state)
        assert caught.value.retry_after == 1
        clock.shift(1)
        answer = resend(state, channel)
        assert answer.channel == (channel or "sms")
        assert answer.channel not in answer.channels
    assert (answer.sends_left, answer.next_send_at) == (0, None)
    assert len({code_in(message) for message in outbox}) == 1
    clock.shift(200)
    with pytest.raises(exceptions.MaxSendsReached):
        resend(state)


def test_of_aligned_resends_one_sends(service, outbox, aligned, clock):
    for number in range(4):
        state = start(service, f"+1415555267{number}", Caller(ip=f"192.0.2.{number}"))
        clock.shift(31)

        def call(state=state):
            try:
                resend(state, caller=Caller(ip="198.51.100.1"))
            except exceptions.TooManyRequests:
                return 0
            except exceptions.VerifyError as error:
                assert error.code == 60212
                return 0
            return 1

        outbox.clear()
        assert sum(aligned([call] * 50)) == len(outbox) == 1
        clock.shift(3600)


def test_fifty_aligned_guesses_compare_five(service, outbox, aligned, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": {"checks": []}}
    state = start(service)
    code = code_in(outbox[0])

    def call(number):
        try:
            return check(state, wrong(code, number)).valid
        except exceptions.MaxChecksReached:
            return None

    answers = aligned([lambda number=number: call(number) for number in range(1, 51)])
    assert answers.count(False) == 5
    assert row_of(state).checks == 5


def test_an_end_is_reported_to_who_has_the_secret(service, outbox, clock):
    state = start(service)
    clock.shift(600)
    for call in (lambda: check(state, code_in(outbox[0])), lambda: resend(state)):
        with pytest.raises(clients.VerificationOver) as caught:
            call()
        assert caught.value.ending == "expired"
    assert clients.fetch(state.sid, state.secret, caller=HERE).status == "expired"


def test_channels_and_purposes_are_the_service_s(account, outbox):
    service = make_service(
        account,
        client_enabled=True,
        client_channels=["email", "call", "sms"],
        client_purposes="sign-up\nlogin",
    )
    assert start(service).channel == "call"
    assert start(service, "anna@example.com").channel == "email"
    assert start(service, OTHER_PHONE, purpose="login").purpose == "login"
    for wrong_ in ({"channel": "whatsapp"}, {"channel": "email"}, {"purpose": "pay"}):
        with pytest.raises(exceptions.InvalidParameter):
            start(service, **wrong_)
    service.client_channels = ["email"]
    with pytest.raises(exceptions.ChannelDisabled):
        start(service)


def test_a_service_must_be_open_and_the_only_one(account, settings, caplog):
    closed = make_service(account)
    with pytest.raises(offers.ClientsNotServed):
        start(closed)
    with pytest.raises(offers.ClientsNotServed):
        offers.offered()
    assert "no service is open to clients" in caplog.text
    caplog.clear()
    first = make_service(account, client_enabled=True)
    assert offers.offered() == first
    assert not caplog.text
    second = make_service(account, client_enabled=True)
    with pytest.raises(offers.ClientsNotServed):
        offers.offered()
    assert "several services are open" in caplog.text
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_SERVICE": second.sid}
    assert offers.offered() == second


class Limits:
    def refused(self, call):
        with pytest.raises(exceptions.TooManyRequests) as caught:
            call()
        assert caught.value.retry_after >= 1
        return caught.value.limit


class TestLimits(Limits):
    def test_of_a_number_in_all_its_spellings(self, service, clock):
        spellings = ["+525512345678", "+5215512345678"]
        guesses = []
        for number in range(5):
            state = start(service, spellings[number % 2], Caller(ip=f"192.0.2.{number}"))
            guesses.append((state.code_length, state.checks_left))
        # What six digits may use up is reserved by the first, and the others have longer codes.
        assert guesses == [(6, 5), (8, 5), (8, 5), (8, 5), (8, 5)]
        late = Caller(ip="192.0.2.99")
        assert self.refused(lambda: start(service, spellings[1], late)) == "number"

    def test_of_a_network(self, service, clock):
        # Windows are aligned to the epoch, and 12:00:00 begins one.
        for number in range(300):
            call = partial(start, service, numbered(number))
            if number < 10:
                call()
            else:
                assert self.refused(call) == "network"
        assert Verification.objects.count() == 10

    def test_of_a_device(self, service, settings):
        limits = {"network": [], "device": [[2, 86_400]]}
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}
        phone = Caller(ip="192.0.2.1", device_id="a")
        for number in range(2):
            start(service, numbered(number), phone)
        assert self.refused(lambda: start(service, OTHER_PHONE, phone)) == "device"
        start(service, OTHER_PHONE, Caller(ip="192.0.2.1", device_id="b"))

    def test_of_a_prefix(self, service):
        for number in range(10):
            start(service, f"+1415555267{number}", Caller(ip=f"192.0.2.{number}"))
        late = Caller(ip="192.0.2.99")
        assert self.refused(lambda: start(service, "+14155552680", late)) == "prefix"
        start(service, OTHER_PHONE, late)

    def test_come_before_the_look_up_of_a_carrier(self, account, monkeypatch):
        """It may cost money, and its refusal reveals what kind of number it is."""
        options = {"lookup_enabled": True, "skip_sms_to_landlines": True}
        options["allowed_number_types"] = ["landline"]
        service = make_service(account, client_enabled=True, **options)
        asked = []
        answer = carrier_lookup.OfflineLookup().carrier
        monkeypatch.setattr(carrier_lookup, "look_up", lambda n: asked.append(n) or answer(n))
        for number in range(10):
            with pytest.raises(exceptions.LandlineRefused):
                start(service, f"+4420718387{number}0")
        for to in (PHONE, "+442071838750"):
            assert self.refused(lambda to=to: start(service, to)) == "network"
        assert len(asked) == 10

    def test_of_checks(self, service, outbox, settings):
        settings.DJANGO_VERIFY = {
            **settings.DJANGO_VERIFY,
            "CLIENT_LIMITS": {"checks": [[2, 3600]]},
        }
        state = start(service)
        code = code_in(outbox[0])
        check(state, wrong(code, 1))
        check(state, wrong(code, 2))
        assert self.refused(lambda: check(state, code)) == "checks"
        assert row_of(state).checks == 2
        assert check(state, code, Caller(ip="198.51.100.1")).valid

    def test_hold_for_fifty_at_one_moment(self, service, aligned):
        def call(number):
            try:
                start(service, numbered(number))
            except exceptions.TooManyRequests:
                return 0
            return 1

        assert sum(aligned([lambda n=n: call(n) for n in range(50)])) == 10


def test_a_code_is_handed_to_no_other_app(service, outbox, settings, clock):
    """Whose app reads the message by its hash needs nobody's leave on the phone that has it."""
    strange, own = "AAAAAAAAAAA", "FA+9qCX9VSu"
    for values, refused in (({}, [own, strange]), ({"CLIENT_APP_HASHES": [own]}, [strange])):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **values}
        state = start(service)
        clock.shift(31)
        sent = len(outbox)
        for app_hash in refused:
            for call in (
                lambda app_hash=app_hash: start(service, app_hash=app_hash),
                lambda state=state, app_hash=app_hash: clients.resend(
                    state.sid, state.secret, caller=HERE, app_hash=app_hash
                ),
            ):
                with pytest.raises(exceptions.InvalidParameter, match="app"):
                    call()
        assert len(outbox) == sent
    start(service, app_hash=own)
    assert outbox[-1].body.endswith(own)


@pytest.fixture
def forbidden():
    def forbid(to, **kwargs):
        if to == OTHER_PHONE:
            raise PermissionDenied

    verification_starting.connect(forbid)
    yield
    verification_starting.disconnect(forbid)


def test_a_forbidden_number_looks_like_any_other(service, outbox, forbidden, clock):
    service = offers.offered()

    def captured(call):
        circuit_breakers.forget()  # each as if it were the first of its second
        fraud.refresh()
        with CaptureQueriesContext(connection) as queries:
            state = call()
        return state, [query["sql"].split()[:3] for query in queries]

    start(service, "+12025550143")  # the counts of the caller's network have rows then
    outbox.clear()
    for turn in ("start", "resend"):
        if turn == "start":
            (open_, asked), (shadow, as_asked) = (
                captured(lambda to=to: start(service, to)) for to in (PHONE, OTHER_PHONE)
            )
        else:
            clock.shift(31)
            (_, asked), (again, as_asked) = (
                captured(lambda state=state: resend(state)) for state in (open_, shadow)
            )
            assert again.sends_left == 3
        assert asked == as_asked
    assert [message.to for message in outbox] == [PHONE, PHONE]
    assert (shadow.status, shadow.sends_left, shadow.checks_left) == ("pending", 4, 5)
    assert len(shadow.secret) == len(open_.secret)
    attempt = VerificationAttempt.objects.filter(verification=row_of(shadow)).first()
    assert (attempt.message_status, attempt.withheld, attempt.messages, attempt.due_at) == (
        "canceled",
        "blocked",
        0,
        None,
    )


def make_user(name):
    return get_user_model().objects.create_user(name)


class TestUsers:
    def test_the_number_is_kept_for_who_is_logged_in(self, service, outbox):
        anna = make_user("anna")
        caller = Caller(ip="192.0.2.1", user=anna)
        assert check(start(service, caller=caller), code_in(outbox[0]), caller).refused == []
        assert str(verified_phones.primary(anna).number) == PHONE

    def test_a_number_of_another_user_is_approved_and_not_kept(self, service, outbox):
        verified_phones.confirm(make_user("bert"), PHONE)
        anna = make_user("anna")
        caller = Caller(ip="192.0.2.1", user=anna)
        answer = check(start(service, caller=caller), code_in(outbox[0]), caller)
        assert (answer.valid, answer.refused) == (True, ["number_in_use"])
        assert verified_phones.primary(anna) is None

    def test_a_test_number_proves_no_owner(self, service, outbox, settings):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
        make_pair(service, PHONE, "424242")
        anna = Caller(ip="192.0.2.1", user=make_user("anna"))
        answer = check(start(service, caller=anna), "424242", anna)
        assert (answer.valid, answer.refused, outbox) == (True, ["test_number"], [])
        with pytest.raises(proofs.ProofRefused) as caught:
            proofs.redeem(answer.proof, purpose="verify")
        assert caught.value.reason == "test_proof"
        assert proofs.redeem(answer.proof, purpose="verify", allow_test=True).test
        assert verified_phones.primary(anna.user) is None

    def test_nobody_goes_on_with_another_user_s(self, service, outbox):
        anna, bert = (Caller(ip="192.0.2.1", user=make_user(n)) for n in ("anna", "bert"))
        state = start(service, caller=anna)
        for other in (bert, HERE, Caller(user=AnonymousUser())):
            with pytest.raises(exceptions.NotFound):
                check(state, code_in(outbox[0]), other)
        assert row_of(state).checks == 0

    def test_a_recipient_is_kept_by_nobody_without_a_user(self, service, outbox):
        heard = []

        def listen(user, **facts):
            heard.append(user)

        client_approved.connect(listen)
        try:
            assert check(start(service), code_in(outbox[0])).refused == []
            anna = Caller(user=make_user("anna"))
            mail = start(service, "anna@example.com", caller=anna)
            assert check(mail, code_in(outbox[1]), anna).refused == []
        finally:
            client_approved.disconnect(listen)
        assert heard == [None, anna.user]
        assert verified_phones.primary(anna.user) is None


@pytest.mark.parametrize(
    "values",
    [
        {"CLIENT_LIMITS": {"numbers": []}},
        {"CLIENT_LIMITS": {"number": [[5]]}},
        {"CLIENT_LIMITS": {"number": [[0, 60]]}},
        {"CLIENT_LIMITS": {"number": [5, 60]}},
        {"CLIENT_LIMITS": {"number": 5}},
        {"CLIENT_LIMITS": {"number": None}},
        {"RESEND_COOLDOWNS": 30},
        {"CLIENT_LIMITS": {"number": [["5", 60]]}},
        {"RESEND_COOLDOWNS": []},
        {"RESEND_COOLDOWNS": [True]},
        {"CLIENT_APP_HASHES": "FA+9qCX9VSu"},
        {"CLIENT_APP_HASHES": [1]},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, values):
    settings.DJANGO_VERIFY = values
    with pytest.raises(ImproperlyConfigured):
        conf.current()


def test_a_resend_whose_verification_expires_meanwhile_sends_nothing(
    service, outbox, clock, monkeypatch
):
    state = start(service)
    clock.shift(599)
    real = verbs.accept

    def then_over(*args):
        clock.shift(2)
        return real(*args)

    monkeypatch.setattr(verbs, "accept", then_over)
    with pytest.raises(exceptions.VerifyError):
        resend(state)
    assert len(outbox) == Verification.objects.count() == 1
