"""The endpoints that apps call: the whole way, refusals that programs read, and attacks."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_verify import fraud, proofs
from django_verify.contact import phones
from django_verify.delivery import circuit_breakers
from django_verify.models import ClientVerification, Verification
from django_verify.signals import verification_starting
from django_verify.users import verified_phones
from django_verify.verifications import offers
from tests.api.test_statement_counts import NEW
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = {
    "id",
    "to",
    "channel",
    "channels",
    "purpose",
    "status",
    "valid",
    "delivery",
    "next_channel",
    "expires_at",
    "next_send_at",
    "code_length",
    "sends_left",
    "checks_left",
    "proof",
    "device_token",
    "not_recorded",
}


@pytest.fixture(autouse=True)
def service(account):
    return make_service(account, client_enabled=True, client_purposes="sign-up\nlogin")


class App:
    """An app: JSON over HTTP, from one recipient."""

    root = "/mobile/"

    def __init__(self, ip="192.0.2.1", **headers):
        self.client = Client(raise_request_exception=False, REMOTE_ADDR=ip)
        self.headers = headers

    def _answer(self, response):
        data = json.loads(response.content) if response.content else None
        return SimpleNamespace(status=response.status_code, data=data, headers=response.headers)

    def post(self, path, body=None, content_type="application/json", **headers):
        text = body if isinstance(body, str | bytes) else json.dumps(body or {})
        return self._answer(
            self.client.post(
                self.root + path, text, content_type, headers={**self.headers, **headers}
            )
        )

    def get(self, path, **headers):
        return self._answer(self.client.get(self.root + path, headers={**self.headers, **headers}))

    def start(self, to=PHONE, **members):
        return self.post("verifications", {"to": to, **members})

    def check(self, started, code, **members):
        body = {"client_secret": started.data["client_secret"], "code": code, **members}
        return self.post(f"verifications/{started.data['id']}/check", body)

    def resend(self, started, **members):
        body = {"client_secret": started.data["client_secret"], **members}
        return self.post(f"verifications/{started.data['id']}/resend", body)

    def fetch(self, started):
        secret = started.data["client_secret"]
        return self.get(f"verifications/{started.data['id']}", **{"Client-Secret": secret})


@pytest.fixture
def app():
    return App()


def charged(started):
    row = ClientVerification.objects.get(sid=started.data["id"]).verification
    return row.checks, row.sends


def test_a_database_that_is_away_is_reported_with_the_time_to_come_again(app, monkeypatch, caplog):
    def away(*args, **kwargs):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(offers, "offered", away)
    answer = app.start()
    assert (answer.status, answer.data["reason"]) == (503, "service_unavailable")
    assert (answer.data["retry_after"], answer.headers["Retry-After"]) == (5, "5")
    assert "The database failed: OperationalError" in caplog.text


def test_the_whole_way(app, outbox, clock):
    started = app.start("(415) 555-2671", region="us", purpose="login", nonce="form 7")
    assert started.status == 201
    assert set(started.data) == MEMBERS | {"client_secret"}
    assert started.data | {"id": 0, "client_secret": 0} == {
        "id": 0,
        "client_secret": 0,
        "to": PHONE,
        "channel": "sms",
        "channels": ["call", "whatsapp", "telegram"],
        "purpose": "login",
        "status": "pending",
        "valid": False,
        "delivery": "sent",
        "next_channel": None,
        "expires_at": "2026-03-01T12:10:00Z",
        "next_send_at": "2026-03-01T12:00:30Z",
        "code_length": 6,
        "sends_left": 4,
        "checks_left": 5,
        "proof": None,
        "device_token": None,
        "not_recorded": [],
    }
    code = code_in(outbox[0])
    answer = app.check(started, wrong(code))
    assert (answer.status, answer.data["valid"], answer.data["checks_left"]) == (200, False, 4)
    assert set(answer.data) == MEMBERS
    clock.shift(30)
    again = app.resend(started, channel="call")
    assert (again.status, again.data["channel"], again.data["sends_left"]) == (200, "call", 3)
    assert code_in(outbox[1]) == code
    answer = app.check(started, f"\u2068{code[:3]} - {code[3:]}\u2069\u200b")
    assert (answer.status, answer.data["status"], answer.data["valid"]) == (200, "approved", True)
    proof = proofs.redeem(answer.data["proof"], purpose="login", nonce="form 7")
    assert (proof.subject, proof.channel, proof.sid) == (PHONE, "call", started.data["id"])


def test_a_lost_answer_is_fetched_again_and_its_proof_works_once(app, outbox, clock):
    started = app.start()
    assert app.fetch(started).data["status"] == "pending"
    first = app.check(started, code_in(outbox[0])).data["proof"]
    clock.shift(5)
    second = app.fetch(started).data["proof"]
    proofs.redeem(second, purpose="sign-up")
    with pytest.raises(proofs.ProofRefused) as caught:
        proofs.redeem(first, purpose="sign-up")
    assert caught.value.reason == "already_used"
    clock.shift(595)
    late = app.fetch(started).data
    assert (late["status"], late["proof"]) == ("approved", None)


def test_a_recipient_by_mail(app, outbox):
    started = app.start("Anna@Example.com")
    assert (started.data["channel"], started.data["channels"]) == ("email", [])
    assert app.check(started, code_in(outbox[0])).data["valid"]


REFUSALS = [
    ({}, "invalid_parameter", "to"),
    ({"to": ""}, "invalid_parameter", "to"),
    ({"to": None}, "invalid_parameter", "to"),
    ({"to": 14155552671}, "invalid_parameter", "to"),
    ({"to": ["+14155552671"]}, "invalid_parameter", "to"),
    ({"to": "4155552671"}, "invalid_parameter", "to"),
    ({"to": "415555267", "region": "US"}, "invalid_parameter", "to"),
    ({"to": "4155552671", "region": "ZZ"}, "invalid_parameter", "to"),
    ({"to": PHONE + ";ext=7"}, "invalid_parameter", "to"),
    ({"to": "+1415555CODE"}, "invalid_parameter", "to"),
    ({"to": "+" + "1" * 300}, "invalid_parameter", "to"),
    ({"to": "+" + "1" * 3000}, "invalid_parameter", "to"),
    ({"to": "a@b@c"}, "invalid_parameter", "to"),
    ({"to": PHONE, "channel": "email"}, "invalid_parameter", "channel"),
    ({"to": PHONE, "channel": "pigeon"}, "invalid_parameter", "channel"),
    ({"to": PHONE, "channel": "sna"}, "invalid_parameter", "channel"),
    ({"to": PHONE, "channel": {}}, "invalid_parameter", "channel"),
    ({"to": PHONE, "app_hash": "ABCDEFGHIJK"}, "invalid_parameter", "app_hash"),
    ({"to": PHONE, "app_hash": "abcdefghijk", "channel": "call"}, "app_hash_needs_sms", None),
    ({"to": PHONE, "purpose": "pay"}, "invalid_parameter", "purpose"),
    ({"to": PHONE, "nonce": "a\nb"}, "invalid_parameter", "nonce"),
    ({"to": PHONE, "nonce": "n" * 129}, "invalid_parameter", "nonce"),
    ({"to": PHONE, "device_id": "d" * 129}, "invalid_parameter", "device_id"),
    ({"to": PHONE, "gate_token": 1}, "invalid_parameter", "gate_token"),
]


HINTS = [
    *[{"locale": text} for text in ("iw-IL", "in_ID", "fil-PH", "no", "en_US@calendar=buddhist")],
    *[
        {"locale": text}
        for text in (
            "th-TH-u-ca-buddhist",
            "xx",
            "sw-KE",
            "",
            "é" * 999,
        )
    ],
    *[{"locale": value} for value in (5, None, ["de"], {"a": 1}, True)],
    *[{"region": value} for value in ("USA", "840", "UK", "zz", "", "x" * 999, 1, ["US"], None)],
    *[{"app_hash": value} for value in ("short", "a" * 999, "abcdefghij\n", 7, {}, None)],
    *[
        {name: value}
        for name in ("locale", "region", "app_hash", "device_token", "unknown")
        for value in ("\0", "de\0", "\ud800", "x" * 60_000, 10**400, [[]], {"\ud800": "\0"})
    ],
]


@pytest.mark.parametrize("hint", HINTS, ids=ascii)
@pytest.mark.parametrize("channel", ["sms", "call"])
def test_a_hint_ends_no_start(app, outbox, settings, hint, channel):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_APP_HASHES": ["abcdefghijk"]}
    answer = app.post("verifications", {"to": PHONE, "channel": channel, **hint})
    assert (answer.status, answer.data["to"]) == (201, PHONE)
    assert len(outbox) == 1
    assert "abcdefghij" not in outbox[0].body


@pytest.mark.parametrize("region", ["US", "us", " US ", "USA", "usa", "840"])
def test_a_region_is_read_in_every_form(app, region):
    assert app.post("verifications", {"to": "(415) 555-2671", "region": region}).data["to"] == PHONE


def test_a_former_or_alphabetic_code_of_a_region_is_read(app):
    for region in ("UK", "GBR", "826"):
        answer = app.post("verifications", {"to": "07400 123456", "region": region})
        assert answer.data["to"] == "+447400123456"


TYPED = [
    ("\u200e+1 [415] 555~2671\u200f ", "", PHONE),
    ("+١ ٤١٥ ٥٥٥ ٢٦٧١", "", PHONE),
    ("０９０ー１２３４ー５６７８", "JP", "+819012345678"),
    ("0690 33 59 41", "FR", "+590690335941"),
    ("+5215512340001", "", "+525512340001"),
    ("+22997123456", "", "+2290197123456"),
]


@pytest.mark.parametrize(("to", "region", "number"), TYPED, ids=ascii)
def test_a_number_is_read_as_it_is_typed(app, to, region, number):
    answer = app.post("verifications", {"to": to, "region": region})
    assert (answer.status, answer.data["to"]) == (201, number)


@pytest.mark.parametrize(
    "to", ["anna@example.com ", "\u200fanna@example.com\n", "ａｎｎａ＠example.com"]
)
def test_a_recipient_is_read_as_it_is_typed(app, to):
    answer = app.post("verifications", {"to": to, "channel": "email"})
    assert (answer.status, answer.data["to"]) == (201, "anna@example.com")


def spelled(code, form):
    return {
        "arabic": code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        "wide": code.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        "grouped": f" {code[:3]} {code[3:]}\n",
        "dashed": "-".join(code),
        "marked": f"\u2068{code[:2]}\u200b{code[2:]}\u2069",
        "long-vowel": f"{code[:3]}ー{code[3:]}",
        "brackets": f"[{code}].",
    }[form]


@pytest.mark.parametrize(
    "form", ["arabic", "wide", "grouped", "dashed", "marked", "long-vowel", "brackets"]
)
def test_a_code_is_read_as_it_is_typed(app, outbox, form):
    state = app.start()
    answer = app.check(state, spelled(outbox[-1].code, form))
    assert (answer.status, answer.data["valid"]) == (200, True)


@pytest.mark.parametrize(
    "code",
    [
        "12345",
        "1234567",
        "12345x",
        "abcdef",
        "１２３４５",
        "12345²",
        "一二三四五六",
        "..",
        "1" * 40,
    ],
)
def test_what_cannot_be_a_code_is_refused_uncharged(app, outbox, code):
    state = app.start()
    answer = app.check(state, code)
    assert (answer.status, answer.data["parameter"]) == (400, "code")
    assert app.check(state, outbox[-1].code).data["valid"] is True


@pytest.mark.parametrize(("body", "reason", "parameter"), REFUSALS)
def test_what_is_no_start_is_refused_by_name(app, outbox, settings, body, reason, parameter):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_APP_HASHES": ["abcdefghijk"]}
    answer = app.post("verifications", body)
    assert (answer.status, answer.data["reason"]) == (400, reason)
    assert answer.data.get("parameter") == parameter
    assert answer.data["message"]
    assert not outbox
    assert not Verification.objects.exists()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        ("[" * 100_000, "application/json", 400, "malformed_request"),
        ("[]", "application/json", 400, "malformed_request"),
        ('{"to": NaN}', "application/json", 400, "malformed_request"),
        ('{"to": "a", "to": "b"}', "application/json", 400, "malformed_request"),
        ('{"to": "\\ud800"}', "application/json", 400, "invalid_parameter"),
        ('{"to": "\\u0000"}', "application/json", 400, "invalid_parameter"),
        (b"\xff", "application/json", 400, "malformed_request"),
        ("x" * 300_000, "application/json", 413, "body_too_large"),
        ("to=%2B14155552671", "application/x-www-form-urlencoded", 415, "unsupported_body"),
    ],
)
def test_a_body_that_is_no_json_object(app, body, content_type, status, reason):
    for path in ("verifications", "verifications/CV0/check", "verifications/CV0/resend"):
        answer = app.post(path, body, content_type)
        assert (answer.status, answer.data["reason"]) == (status, reason)


def test_other_methods_and_paths_answer_in_json(app):
    answer = app._answer(app.client.delete("/mobile/verifications"))
    assert (answer.status, answer.data["reason"]) == (405, "method_not_supported")
    answer = app._answer(app.client.delete("/mobile/verifications/CV0"))
    assert (answer.status, answer.data["reason"]) == (405, "method_not_supported")
    assert app.get("verifications/CV0").data == {
        "reason": "not_found",
        "message": "The requested resource was not found",
    }


def test_answers_are_not_cached_and_need_no_accept(app):
    started = app.start()
    answer = app.get("verifications/" + started.data["id"], accept="text/html")
    assert answer.headers["Content-Type"].startswith("application/json")
    for each in (started, answer):
        assert "no-store" in each.headers["Cache-Control"]


@pytest.mark.parametrize("secret", [None, "", "x", "\u0661", "a" * 128])
def test_without_the_secret_nothing_is_charged_and_all_looks_alike(app, outbox, clock, secret):
    started = app.start()
    clock.shift(31)
    stranger = App("198.51.100.1")
    answers = []
    for sid in (started.data["id"], "CV" + "0" * 32, "CV", "\u0661", "%00", "CV%00"):
        body = {"client_secret": secret, "code": code_in(outbox[0])}
        if secret:
            answers += [
                stranger.post(f"verifications/{sid}/check", body),
                stranger.post(f"verifications/{sid}/resend", body),
            ]
        answers.append(
            stranger.get(
                f"verifications/{sid}",
                **{"Client-Secret": (secret or "").encode().decode("latin-1")},
            )
        )
    assert {(a.status, json.dumps(a.data)) for a in answers} == {
        (404, '{"reason": "not_found", "message": "The requested resource was not found"}')
    }
    assert charged(started) == (0, 1)
    assert app.check(started, code_in(outbox[0])).data["valid"]


def test_refusals_state_what_happened_and_when_to_try_again(app, outbox, clock):
    started = app.start()
    code = code_in(outbox[0])
    answer = app.resend(started)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "30")
    assert answer.data == {
        "reason": "resend_too_soon",
        "message": "Wait before you ask for another code",
        "retry_after": 30,
        "retry_at": "2026-03-01T12:00:30Z",
    }
    for number in range(5):
        last = app.check(started, wrong(code, number + 1))
    assert (last.status, last.data["status"], last.data["checks_left"]) == (
        200,
        "max_attempts_reached",
        0,
    )
    answer = app.check(started, code)
    assert (answer.status, answer.data["reason"]) == (429, "max_checks_reached")
    assert answer.data["retry_after"] == 600
    clock.shift(600)
    answer = app.check(started, code)
    assert (answer.status, answer.data["reason"]) == (429, "max_checks_reached")
    other = app.start(OTHER_PHONE)
    clock.shift(600)
    answer = app.check(other, code_in(outbox[-1]))
    assert (answer.status, answer.data["reason"]) == (410, "verification_expired")


def test_nobody_is_served_where_no_service_is_open(app, service):
    service.client_enabled = False
    service.save()
    answer = app.start()
    assert (answer.status, answer.data["reason"]) == (503, "clients_not_served")


class TestNetworks:
    @pytest.fixture(autouse=True)
    def _standing(self, clock):
        """Windows are aligned to the epoch, and noon begins one."""

    def refused(self, answer):
        assert answer.status == 429
        assert answer.data["retry_after"] >= 1
        return answer.data["reason"]

    def start(self, app, n):
        return app.start(f"+14152{n:03d}100")

    def test_three_hundred_numbers_from_one_recipient(self, outbox):
        app = App()
        statuses = [self.start(app, n).status for n in range(300)]
        assert statuses == [201] * 10 + [429] * 290
        assert len(outbox) == 10
        assert self.refused(self.start(app, 300)) == "network_limit"

    def test_an_ipv6_network_is_one_caller(self):
        for n in range(10):
            assert self.start(App(f"2001:db8:1:2::{n:x}"), n).status == 201
        assert self.refused(self.start(App("2001:db8:1:2:ffff::1"), 10)) == "network_limit"
        assert self.start(App("2001:db8:1:3::1"), 11).status == 201

    def test_a_forged_header_changes_nothing(self):
        for n in range(11):
            app = App(**{"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}"})
            answer = self.start(app, n)
        assert self.refused(answer) == "network_limit"

    def test_behind_a_proxy_the_recipient_is_the_one_that_it_saw(self, settings):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TRUSTED_PROXIES": 1}
        for n in range(11):
            forged = f"203.0.113.{n}, 198.51.100.7"
            answer = self.start(App("10.0.0.1", **{"X-Forwarded-For": forged}), n)
        assert self.refused(answer) == "network_limit"
        other = App("10.0.0.1", **{"X-Forwarded-For": "198.51.100.8"})
        assert self.start(other, 12).status == 201

    def test_one_device(self, app):
        for n in range(10):
            App(f"192.0.2.{n}").start(f"+14152{n:03d}100", device_id="installation-1")
        late = App("192.0.2.99").start("+14152010100", device_id="installation-1")
        assert self.refused(late) == "device_limit"


SPELLINGS = ["+4915112345678", "+49 151 12345678", "0151/12345678", "00491511234\u00a05678"]


def test_every_spelling_of_a_number_shares_one_budget(outbox):
    for n in range(5):
        to = SPELLINGS[n % 4]
        answer = App(f"192.0.2.{n}").start(to, region="DE")
        assert (answer.status, answer.data["to"]) == (201, SPELLINGS[0])
    late = App("192.0.2.99").start(SPELLINGS[3], region="DE")
    assert (late.status, late.data["reason"]) == (429, "number_limit")


def test_a_stranger_burns_nothing_of_a_running_verification(app, outbox):
    mine = app.start()
    code = code_in(outbox[0])
    stranger = App("198.51.100.1")
    theirs = stranger.start()
    for number in range(5):
        stranger.check(theirs, wrong(code_in(outbox[1]), number + 1))
    body = {"client_secret": theirs.data["client_secret"], "code": code}
    assert stranger.post(f"verifications/{mine.data['id']}/check", body).status == 404
    assert charged(mine) == (0, 1)
    assert app.check(mine, code).data["valid"]


def test_a_forbidden_number_looks_like_another(outbox, clock):
    def forbid(to, **kwargs):
        if to == OTHER_PHONE:
            raise PermissionDenied("not you")

    def shape(to, ip):
        app = App(ip)
        circuit_breakers.forget()
        fraud.forget()
        with CaptureQueriesContext(connection) as queries:
            answer = app.start(to)
        masked = {**answer.data, "id": 0, "client_secret": 0, "to": 0}
        lengths = [len(answer.data[name]) for name in ("id", "client_secret", "to")]
        clock.shift(31)
        with CaptureQueriesContext(connection) as more:
            resent = app.resend(answer)
        asked = [query["sql"].split()[:3] for query in [*queries, *more]]
        return answer.status, masked, lengths, dict(answer.headers), asked, resent.status

    verification_starting.connect(forbid)
    try:
        verified_phones.confirm(get_user_model().objects.create_user("anna"), "+15017122663")
        clock.move_to("2026-03-01T12:00:00Z")
        for to in ("+14155552672", "+15017122664"):  # the counts of both prefixes have rows then
            App("192.0.2.9").start(to)
        shapes = []
        for number, to in enumerate([PHONE, OTHER_PHONE, "+15017122663"]):
            clock.move_to("2026-03-01T12:00:00Z")
            shapes.append(shape(to, f"192.0.2.{number}"))
    finally:
        verification_starting.disconnect(forbid)
    assert shapes[0] == shapes[1] == shapes[2]
    assert OTHER_PHONE not in {message.to for message in outbox}


def test_the_gate_stands_before_everything(app, outbox, settings):
    gate = {"BACKEND": "django_verify.gates.memory.MemoryGate"}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BOT_PROTECTION": gate}
    with CaptureQueriesContext(connection) as queries:
        answer = app.start()
    assert (answer.status, answer.data["reason"]) == (403, "gate_missing")
    # A union begins with a bracket on some databases.
    assert all(query["sql"].lstrip("(").startswith("SELECT") for query in queries)
    assert not outbox
    assert app.start(gate_token="open-1").status == 201
    answer = app.start(OTHER_PHONE, gate_token="open-1")
    assert (answer.status, answer.data["reason"]) == (403, "gate_used")
    assert len(outbox) == 1


class TestUsers:
    @pytest.fixture(autouse=True)
    def _authentication(self, settings):
        session = "rest_framework.authentication.SessionAuthentication"
        basic = "rest_framework.authentication.BasicAuthentication"
        settings.DJANGO_VERIFY = {
            **settings.DJANGO_VERIFY,
            "MOBILE_AUTHENTICATION": [session, basic],
        }

    def make(self, name):
        app = App()
        app.user = get_user_model().objects.create_user(name)
        app.client.force_login(app.user)
        return app

    def test_the_number_is_kept_for_the_user(self, outbox):
        app = self.make("anna")
        assert app.check(app.start(), code_in(outbox[0])).data["not_recorded"] == []
        assert str(verified_phones.primary(app.user).number) == PHONE

    def test_a_number_of_another_else_is_proved_and_not_kept(self, outbox):
        verified_phones.confirm(get_user_model().objects.create_user("bert"), PHONE)
        app = self.make("anna")
        answer = app.check(app.start(), code_in(outbox[0])).data
        assert (answer["valid"], answer["not_recorded"]) == (True, ["number_in_use"])
        assert answer["proof"]
        assert verified_phones.primary(app.user) is None

    def test_a_number_that_the_database_did_not_keep_is_reported(self, outbox, monkeypatch, caplog):
        def fail(*args, **kwargs):
            raise OperationalError(f"disk full at {PHONE}")

        app = self.make("anna")
        started = app.start()
        monkeypatch.setattr(verified_phones, "confirm", fail)
        answer = app.check(started, code_in(outbox[0])).data
        assert (answer["valid"], answer["not_recorded"]) == (True, ["server_error"])
        assert "OperationalError" in caplog.text
        assert PHONE not in caplog.text

    def test_another_user_is_a_stranger(self, outbox):
        started = self.make("anna").start()
        for other in (self.make("bert"), App()):
            assert other.check(started, code_in(outbox[0])).status == 404
        assert charged(started) == (0, 1)

    def test_wrong_credentials_are_refused_in_our_shape(self):
        answer = App(authorization="Basic !").start()
        assert (answer.status, answer.data["reason"]) == (401, "authentication_required")
        assert answer.headers["WWW-Authenticate"]

    def test_a_session_without_its_csrf_token_is_refused(self):
        app = self.make("anna")
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = app.client.cookies
        app.client = strict
        answer = app.start()
        assert (answer.status, answer.data["reason"]) == (403, "forbidden")


def test_statements(app, outbox):
    """What a call costs; the first INSERT counts it in all its limits."""

    def asked(call):
        with CaptureQueriesContext(connection) as queries:
            answer = call()
        kinds = [query["sql"].split()[0] for query in queries]
        return answer, [kind for kind in kinds if kind not in {"BEGIN", "COMMIT"}]

    app.start()
    started, kinds = asked(app.start)
    assert kinds == ["SELECT", "SELECT", "INSERT", *NEW, "INSERT", "UPDATE"]
    code = code_in(outbox[1])
    app.check(started, wrong(code))
    _, kinds = asked(lambda: app.check(started, wrong(code, 2)))
    assert kinds == ["SELECT", "INSERT", "SELECT", "UPDATE"]
    _, kinds = asked(lambda: app.check(started, code))
    assert kinds == ["SELECT", "INSERT", "SELECT", "UPDATE", "UPDATE"]


def test_a_hostile_host_does_not_reach_the_wire(app, settings, outbox):
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["nowhere.Authentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "0/day"},
        "DEFAULT_PARSER_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "EXCEPTION_HANDLER": "nowhere.handler",
        "DATETIME_FORMAT": "%d",
        "COERCE_DECIMAL_TO_STRING": False,
    }
    settings.TIME_ZONE = "Asia/Kathmandu"
    started = app.start()
    assert started.status == 201
    assert started.data["expires_at"].endswith("Z")
    assert app.check(started, code_in(outbox[0])).data["valid"]


def test_wrong_guesses_survive_atomic_requests(app, outbox):
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        started = app.start()
        for number in range(3):
            app.check(started, wrong(code_in(outbox[0]), number + 1))
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert charged(started) == (3, 1)


def test_what_nobody_foresaw_is_ours_too(app, monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError(f"no luck with {PHONE}")

    monkeypatch.setattr(phones, "read", fail)
    answer = app.start()
    assert (answer.status, answer.data) == (
        500,
        {"reason": "server_error", "message": "Internal server error"},
    )
    assert PHONE[1:] not in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "",
        "verifications/",
        "verifications//",
        "verifications/x/",
        "verifications/x/check/",
        "verifications/x/y",
        "nowhere",
        "verifications%0A",
        "verifications/%2e%2e/x",
        "é",
        "x" * 3000,
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_another_path_is_answered_in_json(path, method):
    """Also where the host would redirect to a slash, or show its own page of 404."""
    answer = Client().generic(method.upper(), f"/mobile/{path}", b"{}", "application/json")
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "application/json")
    assert answer.json()["reason"] == "not_found"
