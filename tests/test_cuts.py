"""A connection that dies at any statement: what was answered, signalled, sent and stored agree.

Each verb runs again and again, and its connection is cut at its first statement, at its second, and so
on, until it ends without meeting the cut. Events are on, and so are webhooks.
"""

import itertools
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import Client

from django_verify import proofs, signals, verifications
from django_verify.crypto import codes, report_tokens
from django_verify.db import reconnect
from django_verify.delivery import attempts as delivery_attempts
from django_verify.exceptions import ServiceUnavailable, VerifyError
from django_verify.factors import access_tokens, challenges, entities, notifications
from django_verify.models import (
    AccessToken,
    Challenge,
    ClientVerification,
    EventSink,
    Factor,
    SpentToken,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.senders import Receipt, locmem
from django_verify.users import signals as users_signals
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone
from django_verify.verifications import sna
from tests.conftest import PHONE, Api, make_account, make_service, wrong
from tests.cuts import WAYS, Cut
from tests.device import Phone, through
from tests.factors.test_entities import WHO, app
from tests.mobile.test_views import App
from tests.proof import issue, redeem
from tests.receivers import make_webhook
from tests.scripted import Scripted, configured

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.every_case,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no socket to cut"),
]

URL = "https://verify.example.com"
PENDING, APPROVED, CANCELED, EXPIRED, USED_UP = (
    *("pending", "approved", "canceled", "expired"),
    "max_attempts_reached",
)


class World:
    """A site of its own, for one cut: an account, a service with receivers, and what is heard."""

    def __init__(self, heard):
        self.heard = heard
        account = make_account()
        self.service = make_service(
            account, verify_event_subscription_enabled=True, client_enabled=True
        )
        self.api = Api(account.sid, account.token)
        self.root = f"Services/{self.service.sid}"
        EventSink.objects.create(account=account, friendly_name="Sink", url=f"{URL}/sink")
        make_webhook(self.service)

    def begin(self):
        """Forget what the preparations have caused."""
        self.heard.clear()
        locmem.outbox.clear()

    def signalled(self, name):
        return [facts for heard, facts in self.heard if heard == name]

    def events(self, kind):
        mine = WebhookDelivery.objects.filter(event_type__endswith=kind)
        return mine.filter(sink__account=self.service.account).count()

    def received(self, kind):
        """How many webhooks are to be posted of an event of a factor or a challenge."""
        return self.service.webhooks.get().deliveries.filter(event_type=kind).count()

    @property
    def row(self):
        return Verification.objects.filter(service=self.service).first()

    def start(self):
        return verifications.start(self.service, PHONE)

    def code(self):
        return codes.reveal(self.row)

    def check(self, code):
        return self.api.post(f"{self.root}/VerificationCheck", {"To": PHONE, "Code": code})

    def agree(self):
        """What holds whatever has happened, of all verifications and their messages."""
        rows = list(Verification.objects.filter(service=self.service))
        attempts = list(VerificationAttempt.objects.filter(verification__service=self.service))
        by_sid = {row.sid: row for row in rows}
        for name, status in (
            ("verification_approved", APPROVED),
            ("verification_canceled", CANCELED),
            ("verification_failed", USED_UP),
        ):
            for facts in self.signalled(name):
                assert by_sid[facts["verification"].sid].status == status
            assert len(self.signalled(name)) <= sum(row.status == status for row in rows)
        for facts in self.signalled("verification_started"):
            assert facts["verification"].sid in by_sid
        assert len(rows) == self.events("verification.pending")
        for status in (APPROVED, CANCELED, EXPIRED, USED_UP):
            ended = sum(row.status == status for row in rows)
            assert self.events(f"verification.{status.replace('_', '-')}") == ended
        assert len(locmem.outbox) <= sum(attempt.messages for attempt in attempts)
        left = [attempt for attempt in attempts if attempt.messages]  # sna sends none
        sent = sum(attempt.message_status in {"sent", "delivered"} for attempt in left)
        assert self.events("message.sent") == sent
        assert len(self.signalled("attempt_sent")) <= sent

    def approves_once(self):
        """The code approves once in all, whatever has been answered before."""
        code = self.code() if self.row.status == PENDING else "000000"
        for _ in range(2):
            self.check(code)
        assert self.row.status in {APPROVED, USED_UP, CANCELED, EXPIRED}
        assert self.events("verification.approved") == (self.row.status == APPROVED)


def is_unavailable(answer):
    """Whether the answer says that the database has failed, as each wire says it."""
    if isinstance(answer, Exception):
        return isinstance(answer, (*reconnect.FAILURES, ServiceUnavailable))
    if answer.status != 503 or not answer.headers.get("Retry-After"):
        return False
    return answer.data["code"] == 20503 if "code" in answer.data else "reason" in answer.data


class Verb:
    """One verb: `prepare`, then `act` while the connection is cut, then `agree` about its effect.

    `done`: whether the answer means that the verb did its work; `stored` whether the database does.
    """

    def __init__(self, world):
        self.world = world

    #: Whether a change may stand whose answer says that the database has failed.
    may_be_stored = False

    def prepare(self):
        pass

    def begin(self):
        pass

    #: The name of the signal that goes with the change.
    signal = None

    def charged(self):
        """How many comparisons have been paid for."""
        return sum(row.checks for row in Verification.objects.filter(service=self.world.service))

    def after(self):
        """What else must hold, at the end."""


class Start(Verb):
    def act(self):
        form = {"To": PHONE, "Channel": "sms"}
        return self.world.api.post(f"{self.world.root}/Verifications", form)

    def done(self, answer):
        return answer.status == 201 and answer.data["sid"] == self.world.row.sid

    def stored(self):
        return self.world.row is not None

    signal = "verification_started"

    def after(self):
        if self.world.row:
            assert self.world.row.attempts.count() == 1
            self.world.approves_once()
        else:
            assert locmem.outbox == []


class Resend(Start):
    def prepare(self):
        self.world.start()

    def done(self, answer):
        return answer.status == 201 and len(answer.data["send_code_attempts"]) == 2

    def stored(self):
        return self.world.row.sends == 2

    signal = None

    def after(self):
        assert self.world.row.attempts.count() == self.world.row.sends
        assert len(self.world.row.send_code_attempts) == self.world.row.sends
        self.world.approves_once()


class RightCheck(Verb):
    status = APPROVED
    wrong_before = 0

    def prepare(self):
        row = self.world.start()
        Verification.objects.filter(sid=row.sid).update(checks=self.wrong_before)

    def act(self):
        return self.world.check(self.given())

    def given(self):
        return self.code

    def begin(self):
        self.code = self.world.code()

    def done(self, answer):
        return answer.status == 200 and answer.data["status"] == APPROVED

    def stored(self):
        return self.world.row.status == APPROVED

    signal = "verification_approved"

    def after(self):
        self.world.approves_once()


class SnaCheck(RightCheck):
    """The carrier has confirmed the number before; its errors are read after the approval."""

    def prepare(self):
        row = verifications.start(self.world.service, PHONE, "sna")
        row.attempts.update(sna_error_code=sna.MATCH)

    def begin(self):
        pass

    def act(self):
        return self.world.api.post(f"{self.world.root}/VerificationCheck", {"To": PHONE})

    def after(self):
        if not self.stored():
            assert self.done(self.act())


class LastRightCheck(RightCheck):
    wrong_before = 4


class WrongCheck(RightCheck):
    def given(self):
        return wrong(self.code)

    def done(self, answer):
        compared = len(self.world.signalled("compared")) == 1
        return answer.status == 200 and answer.data["status"] == PENDING and compared

    def stored(self):
        return self.world.row.checks == self.wrong_before + 1

    signal = None

    # A guess that was charged and not compared is lost.
    may_be_stored = True


class LastWrongCheck(WrongCheck):
    wrong_before = 4

    def after(self):
        used_up = self.world.row.checks == 5
        assert (self.world.row.status == USED_UP) == used_up
        if not used_up:
            self.world.approves_once()


class Cancel(RightCheck):
    status = CANCELED

    def act(self):
        path = f"{self.world.root}/Verifications/{self.world.row_sid}"
        return self.world.api.post(path, {"Status": self.status})

    def begin(self):
        self.world.row_sid = self.world.row.sid

    def done(self, answer):
        return answer.status == 200 and answer.data["status"] == self.status

    def stored(self):
        return self.world.row.status == self.status

    @property
    def signal(self):
        return f"verification_{self.status}"

    def after(self):
        if self.world.row.status == PENDING:
            self.world.approves_once()


class Approve(Cancel):
    status = APPROVED


class ApprovedByAHostsView(Approve):
    """In a transaction of the host's, which writes a row of its own."""

    def prepare(self):
        super().prepare()
        self.name = f"user-{next(NUMBERS)}"

    def act(self):
        return attempt(self._approve)

    def _approve(self):
        with transaction.atomic():
            get_user_model().objects.create_user(self.name)
            verifications.approve(self.world.service, self.world.row_sid)
        return SimpleNamespace(status=200)

    def done(self, answer):
        return not isinstance(answer, Exception)

    def stored(self):
        made = get_user_model().objects.filter(username=self.name).exists()
        assert made == super().stored()
        return made


class Expire(Cancel):
    status = EXPIRED

    def begin(self):
        now = self.world.row.date_created
        Verification.objects.filter(service=self.world.service).update(expires_at=now)

    def act(self):
        return attempt(lambda: SimpleNamespace(status=200, done=verifications.expire()))

    def done(self, answer):
        return not isinstance(answer, Exception) and answer.done >= 1

    signal = None

    def after(self):
        verifications.expire()
        assert self.world.row.status == EXPIRED


class DeliveryReport(Verb):
    def prepare(self):
        self.world.start()
        self.attempt = VerificationAttempt.objects.get(verification__service=self.world.service)
        assert self.attempt.message_status == "sent"

    def act(self):
        path = f"/verify/r/{report_tokens.issue(self.attempt.sid, 'a')}"
        answer = Client(raise_request_exception=False).post(
            path,
            '[["SM1", "delivered"]]',
            content_type="application/json",
            headers={"x-signature": f"right {URL}{path}"},
        )
        return SimpleNamespace(
            status=answer.status_code, headers={"Retry-After": 1}, data={"reason": 1}
        )

    def done(self, answer):
        return answer.status == 200

    def stored(self):
        self.attempt.refresh_from_db()
        return self.attempt.message_status == "delivered"

    signal = "attempt_delivered"

    def after(self):
        assert self.world.events("message.delivered") == self.stored()
        if not self.stored():  # the provider comes again
            assert self.done(self.act())
            assert self.stored()


class ClientStart(Verb):
    """An app's own start; `check` below is what it does then."""

    def prepare(self):
        self.app = App()

    def act(self):
        return self.app.post("verifications", {"to": PHONE})

    def done(self, answer):
        return answer.status == 201

    def stored(self):
        found = ClientVerification.objects.filter(service=self.world.service).count()
        assert found == Verification.objects.filter(service=self.world.service).count()
        return found == 1

    signal = "verification_started"


class ClientCheck(ClientStart):
    def prepare(self):
        super().prepare()
        self.made = self.app.post("verifications", {"to": PHONE}).data

    def begin(self):
        self.code = self.world.code()

    def act(self):
        body = {"client_secret": self.made["client_secret"], "code": self.code}
        return self.app.post(f"verifications/{self.made['id']}/check", body)

    def done(self, answer):
        return answer.status == 200 and answer.data["status"] == APPROVED and answer.data["proof"]

    def stored(self):
        return self.world.row.status == APPROVED

    signal = "verification_approved"


class FactorVerified(Verb):
    def prepare(self):
        self.factor = entities.enrol(self.world.service, WHO, "totp", "Phone")

    def act(self):
        path = f"{self.world.root}/Entities/{WHO}/Factors/{self.factor.sid}"
        return self.world.api.post(path, {"AuthPayload": self.code})

    def begin(self):
        self.code = app(self.factor).now()

    def done(self, answer):
        return answer.status == 200 and answer.data["status"] == "verified"

    def stored(self):
        return Factor.objects.get(sid=self.factor.sid).status == "verified"

    signal = "factor_verified"

    def charged(self):
        """A guess is compared with the codes of three moments; a right one is given back."""
        factor = Factor.objects.filter(sid=self.factor.sid).first()
        return 3 * (self.stored() or factor.failures or factor.guesses)

    def after(self):
        assert self.world.received("factor.verified") == self.stored()


class ChallengeAnswered(FactorVerified):
    def prepare(self):
        super().prepare()
        Factor.objects.filter(sid=self.factor.sid).update(status="verified")
        self.factor.refresh_from_db()
        self.challenge = challenges.create(self.factor)

    def act(self):
        path = f"{self.world.root}/Entities/{WHO}/Challenges/{self.challenge.sid}"
        return self.world.api.post(path, {"AuthPayload": self.code})

    def done(self, answer):
        return answer.status == 200 and answer.data["status"] == APPROVED

    def stored(self):
        return Challenge.objects.get(sid=self.challenge.sid).status == APPROVED

    signal = "challenge_approved"

    def after(self):
        assert self.world.received("challenge.approved") == self.stored()


class FactorDeleted(FactorVerified):
    def begin(self):
        pass

    def act(self):
        path = f"{self.world.root}/Entities/{WHO}/Factors/{self.factor.sid}"
        return self.world.api._answer(
            self.world.api.client.delete("/v2/" + path, headers=self.world.api.headers)
        )

    def done(self, answer):
        return answer.status == 204

    def stored(self):
        return not Factor.objects.filter(sid=self.factor.sid).exists()

    signal = "factor_deleted"

    def after(self):
        assert self.world.received("factor.deleted") == self.stored()


class AccessTokenUsed(Verb):
    def prepare(self):
        self.row = access_tokens.issue(self.world.service, WHO)
        client = Client(raise_request_exception=False)
        self.phone = Phone(through(client), self.world.service.sid, WHO)
        self.token = access_tokens.text(self.row)

    def act(self):
        return self.phone.enrol(self.token)

    def done(self, answer):
        return answer.status == 201

    def stored(self):
        used = AccessToken.objects.get(sid=self.row.sid).used_at is not None
        assert used == Factor.objects.filter(service=self.world.service).exists()
        return used

    signal = "factor_created"

    def after(self):
        assert self.world.received("factor.created") == self.stored()


class ProofRedeemed(Verb):
    """A host's own view: it uses a proof up, and writes a user of its own in one transaction."""

    def prepare(self):
        self.token = issue(sid=f"CV{next(NUMBERS):032x}")
        self.name = f"user-{next(NUMBERS)}"

    def act(self):
        return attempt(self._sign_up)

    def _sign_up(self):
        with transaction.atomic():
            redeem(self.token)
            get_user_model().objects.create_user(self.name)
        return SimpleNamespace(status=201)

    def done(self, answer):
        return not isinstance(answer, Exception)

    def stored(self):
        made = get_user_model().objects.filter(username=self.name).exists()
        assert made == (SpentToken.objects.count() > self.before)
        return made

    def begin(self):
        self.before = SpentToken.objects.count()

    def after(self):
        if not self.stored():
            self._sign_up()
        with pytest.raises(proofs.ProofRefused):
            redeem(self.token)


class NumberClaimed(Verb):
    def prepare(self):
        self.user = get_user_model().objects.create_user(f"user-{next(NUMBERS)}")
        self.number = f"+1415555{next(NUMBERS) % 10_000:04d}"

    def act(self):
        return attempt(lambda: verified_phones.confirm(self.user, self.number))

    def done(self, answer):
        return not isinstance(answer, Exception) and answer.is_verified

    def stored(self):
        return VerifiedPhone.objects.filter(user=self.user, claim__isnull=False).exists()

    signal = "phone_verified"


class NumberRefused(Verb):
    """In a transaction of the host's, which goes on after the refusal, as documented."""

    def prepare(self):
        self.number = f"+1415555{next(NUMBERS) % 10_000:04d}"
        owner = get_user_model().objects.create_user(f"owner-{next(NUMBERS)}")
        verified_phones.confirm(owner, self.number)
        self.name = f"user-{next(NUMBERS)}"

    def act(self):
        return attempt(self._sign_up)

    def _sign_up(self):
        with transaction.atomic():
            user = get_user_model().objects.create_user(self.name)
            with suppress(verified_phones.NumberTaken):
                verified_phones.confirm(user, self.number)
        return SimpleNamespace(status=200)

    def done(self, answer):
        return not isinstance(answer, Exception)

    def stored(self):
        return get_user_model().objects.filter(username=self.name).exists()


VERBS = (
    *(Start, Resend, RightCheck, LastRightCheck, WrongCheck, LastWrongCheck, Cancel, Approve),
    *(Expire, DeliveryReport, ClientStart, ClientCheck, FactorVerified, ChallengeAnswered),
    *(FactorDeleted, AccessTokenUsed, ProofRedeemed, NumberClaimed, NumberRefused),
    *(ApprovedByAHostsView, SnaCheck),
)
NUMBERS = itertools.count(1)
SIMULATOR = {"BACKEND": "django_verify.verifications.sna.Simulator"}
#: Those of clients are counted, and never reached.
LIMITS = {name: [[10_000, 3600]] for name in ("number", "network", "device", "prefix", "checks")}


def attempt(call):
    """Return what a call returns, or the error of the database that it raised."""
    try:
        return call()
    except (*reconnect.FAILURES, VerifyError) as error:
        return error


@pytest.fixture
def heard(monkeypatch):
    """Every signal of ours with its arguments, and every comparison of a code."""
    seen = []
    defined = {**vars(signals), **vars(users_signals)}
    named = {name: value for name, value in defined.items() if isinstance(value, Signal)}
    for name, signal in named.items():

        def note(sender, signal, name=name, **facts):
            seen.append((name, facts))

        signal.connect(note, weak=False, dispatch_uid=f"cuts.{name}")
    real = codes.matches

    def matches(expected, given):
        seen.append(("compared", {}))
        return real(expected, given)

    monkeypatch.setattr(codes, "matches", matches)
    yield seen
    for name, signal in named.items():
        signal.disconnect(dispatch_uid=f"cuts.{name}")


@pytest.fixture(autouse=True)
def site(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {"a": Receipt("SM1")})
    settings.DJANGO_VERIFY = configured(
        aliases=("a",), reporting="a", BASE_URL=URL, CLIENT_LIMITS=LIMITS, SNA=SIMULATOR
    )
    for module in (delivery_attempts, notifications):
        monkeypatch.setattr(module, "LEASES", replace(module.LEASES, patience=0))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", VERBS, ids=lambda kind: kind.__name__)
def test_answer_signal_message_and_row_agree_at_every_cut(kind, way, heard, settings):
    for at in itertools.count(1):
        world = World(heard)
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_SERVICE": world.service.sid}
        verb = kind(world)
        verb.prepare()
        verb.begin()
        world.begin()
        paid = verb.charged()
        cut = Cut(at, way)
        with cut.applied():
            answer = verb.act()
        if not cut.happened:
            assert verb.done(answer), answer
            assert verb.stored()
            assert at > 1
            return
        where = f"{kind.__name__}, {way} statement {at}: {cut.statement}, answered {answer}"
        done, stored = verb.done(answer), verb.stored()
        assert done or is_unavailable(answer), where
        assert stored or not done, where
        if verb.signal is not None:
            fired = len(world.signalled(verb.signal))
            assert fired <= 1, where
            assert stored or not fired, where
            assert fired or not done, where
        assert len(world.signalled("compared")) <= verb.charged() - paid, where
        if way != "after" and not verb.may_be_stored:
            # Only where the answer of a statement is lost may a change have no answer.
            assert done or not stored, where
        world.agree()
        verb.after()
        world.agree()
