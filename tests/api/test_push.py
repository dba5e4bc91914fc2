"""Push on the wire: a device enrols, proves itself, reads and answers; everything else is refused."""

import base64
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from twilio.rest import Client as Sdk

from django_verify.exceptions import NotFound
from django_verify.factors import access_tokens, challenges, entities
from django_verify.factors.push import Push
from django_verify.models import AccessToken, Challenge, Factor, Notification
from django_verify.push_senders import memory
from tests.conftest import make_account, make_service, purged
from tests.device import FCM_TOKEN, Iphone, Phone, base64url, basic, over, segment, through

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

WHO = "User-0001"
MEMORY = {"BACKEND": "django_verify.push_senders.memory.MemorySender"}
DETAILS = {
    "Details.Message": "Pay 10 €/month to Acme?",
    "Details.Fields": '{"label": "Site", "value": "https://example.com/"}',
    "HiddenDetails": '{"ip": "192.0.2.1"}',
}


@pytest.fixture(autouse=True)
def pushed(settings):
    """The notifications sent in this test, oldest first."""
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {
        "PUSH_SENDERS": {"fcm": MEMORY, "apn": MEMORY}
    }
    memory.outbox.clear()
    yield memory.outbox
    memory.outbox.clear()


@pytest.fixture
def root(service):
    return f"Services/{service.sid}/Entities/{WHO}"


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    return answer.data["message"]


def enrolled(api, service, kind=Phone, who=WHO, send=None, **more):
    """A phone with a verified factor."""
    phone = kind(send or through(Client(raise_request_exception=False)), service.sid, who)
    made = api.post(f"{phone.root}/Factors", phone.enrolment(**more))
    assert made.status == 201, made.data
    phone.factor = made.data
    assert phone.verify().data["status"] == "verified"
    return phone


def asked(api, phone, **form):
    answer = api.post(
        f"{phone.root}/Challenges", {"FactorSid": phone.factor["sid"], **DETAILS, **form}
    )
    assert answer.status == 201, answer.data
    return answer.data["sid"]


# The protocol.


@pytest.mark.parametrize("kind", [Phone, Iphone])
def test_a_device_from_enrolment_to_deletion(api, service, root, kind, live_server, pushed):
    api.post(f"Services/{service.sid}", {"Push.IncludeDate": "true"})
    form = {"Identity": WHO, "FactorType": "push", "FactorFriendlyName": "Jo's phone"}
    token = api.post(f"Services/{service.sid}/AccessTokens", form).data["token"]
    phone = kind(over(live_server.url), service.sid, WHO)
    made = phone.enrol(token, FriendlyName=None, Metadata='{"os": "17/2"}')
    assert (made.status, made.data["friendly_name"]) == (201, "Jo's phone")
    assert made.data["status"] == "unverified"
    assert made.data["binding"] == {"alg": "ES256", "public_key": phone.public_key}
    assert made.data["config"] == {
        "sdk_version": "1.2.3",
        "app_id": "com.example.app",
        "notification_platform": phone.platform,
        "notification_token": phone.token,
        "credential_sid": made.data["config"]["credential_sid"],
    }
    # A clock that is an hour off is corrected by the server's Date.
    phone.clock_error = -3600
    assert phone.verify().data["status"] == "verified"
    assert 3595 <= phone.offset <= 3605
    sids = [asked(api, phone) for _ in range(3)]
    assert [message.challenge_sid for message in pushed] == sids
    assert pushed[0].data() == {
        "type": "verify_push_challenge",
        "factor_sid": made.data["sid"],
        "challenge_sid": sids[0],
        "message": "Pay 10 €/month to Acme?",
    }
    found = phone.poll(size=2)
    assert [challenge["sid"] for challenge in found] == sids
    assert found[0]["details"]["date"] == found[0]["date_created"]
    assert phone.answer(sids[0], "approved").data["status"] == "approved"
    assert phone.answer(sids[1], "denied").data["status"] == "denied"
    assert [row["sid"] for row in phone.poll()] == [sids[2]]
    changed = phone.update(
        FriendlyName="New name", **{"Config.SdkVersion": "2.0.0", "Config.AppId": "ignored"}
    )
    assert (changed.data["friendly_name"], changed.data["config"]["sdk_version"]) == (
        "New name",
        "2.0.0",
    )
    assert phone.ask("GET", f"Services/{service.sid}").data["sid"] == service.sid
    assert phone.delete().status == 204
    assert phone.delete().status == 401
    assert not Challenge.objects.exists()


def test_every_signed_member_stands_in_the_answer_as_the_server_compares_it(api, service):
    phone = enrolled(api, service)
    path = f"{phone.root}/Challenges/{asked(api, phone)}"
    for answer in (api.get(path), phone.ask("GET", path)):
        header = answer.headers["Twilio-Verify-Signature-Fields"]
        assert header == ",".join(Push.signed)
        assert set(header.split(",")) <= set(answer.data)
    phone.answer(path.rpartition("/")[2], "denied")
    assert "Twilio-Verify-Signature-Fields" not in api.get(path).headers


def test_the_account_may_hand_an_answer_in(api, service):
    phone = enrolled(api, service, **{"Config.NotificationPlatform": "none"})
    sid = asked(api, phone)
    proof = phone.signed(phone.payload(sid, "approved"))
    form = {"AuthPayload": proof, "Metadata": '{"os": "iOS"}'}
    done = api.post(f"{phone.root}/Challenges/{sid}", form)
    assert (done.data["status"], done.data["metadata"]) == ("approved", {"os": "iOS"})
    refused(api.post(f"{phone.root}/Challenges/{sid}", form), 403, 60322)


# Enrolment.


def spki(curve=None, point=PublicFormat.SubjectPublicKeyInfo, encoding=Encoding.DER):
    key = ec.generate_private_key(curve or ec.SECP256R1()).public_key()
    return key.public_bytes(encoding, point)


def compressed():
    point = spki(point=PublicFormat.CompressedPoint, encoding=Encoding.X962)
    inner = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107") + b"\x03\x22\x00" + point
    return b"\x30" + bytes([len(inner)]) + inner


BAD_KEYS = {
    "text": "dGVzdF9rZXk=",
    "garbage": "!!!!",
    "not ascii": "é" * 124,
    "url alphabet": base64.urlsafe_b64encode(b"\xff" * 91).decode(),
    "another curve": base64.b64encode(spki(ec.SECP384R1())).decode(),
    "same size, another curve": base64.b64encode(spki(ec.SECP256K1())).decode(),
    "compressed": base64.b64encode(compressed()).decode(),
    "trailing byte": base64.b64encode(spki() + b"\0").decode(),
    "pem": base64.b64encode(spki(encoding=Encoding.PEM)).decode(),
    "bare point": base64.b64encode(
        spki(point=PublicFormat.UncompressedPoint, encoding=Encoding.X962)
    ).decode(),
    "not on the curve": base64.b64encode(spki()[:-1] + b"\x01").decode(),
    "line breaks": base64.encodebytes(spki()).decode(),
    "no padding": base64.b64encode(spki() + b"\0").decode().rstrip("="),
    "long": "A" * 8000,
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_is_refused(api, service, root, name):
    phone = Phone(None, service.sid, WHO)
    form = phone.enrolment(**{"Binding.PublicKey": BAD_KEYS[name]})
    refused(api.post(f"{root}/Factors", form), 400, 60314)
    assert not Factor.objects.exists()


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Binding.PublicKey": None}, 400, 60300),
        ({"Binding.Alg": None}, 400, 60300),
        ({"Binding.Alg": "RS256"}, 400, 60314),
        ({"Config.AppId": None}, 400, 60300),
        ({"Config.AppId": "x" * 101}, 400, 60306),
        ({"Config.SdkVersion": None}, 400, 60300),
        ({"Config.NotificationPlatform": None}, 400, 60300),
        ({"Config.NotificationPlatform": "gcm"}, 400, 60306),
        ({"Config.NotificationToken": None}, 400, 60300),
        ({"Config.NotificationToken": "x" * 31}, 400, 60306),
        ({"Config.NotificationToken": "x" * 256}, 400, 60306),
        ({"Config.NotificationToken": "x" * 40 + "\r\nevil: 1"}, 400, 60306),
        ({"FriendlyName": None}, 400, 60300),
        ({"FriendlyName": "x" * 65}, 400, 60306),
        ({"Metadata": '{"a": 1}'}, 400, 60306),
    ],
)
def test_what_an_enrolment_refuses(api, service, root, form, status, code):
    refused(
        api.post(f"{root}/Factors", Phone(None, service.sid, WHO).enrolment(**form)), status, code
    )
    assert not Factor.objects.exists()


def test_one_key_is_bound_once_and_an_entity_has_twenty(api, service, root):
    phone = enrolled(api, service)
    refused(api.post(f"{root}/Factors", phone.enrolment()), 409, 60317)
    elsewhere = f"Services/{service.sid}/Entities/somebody-else/Factors"
    refused(api.post(elsewhere, phone.enrolment()), 409, 60317)
    for _ in range(19):
        form = Phone(None, service.sid, WHO).enrolment()
        assert api.post(f"{root}/Factors", form).status == 201
    form = Phone(None, service.sid, WHO).enrolment()
    refused(api.post(f"{root}/Factors", form), 400, 60315)


def test_a_device_moves_between_none_and_its_platform(api, service):
    phone = enrolled(api, service)
    for form, code in (
        ({"Config.NotificationPlatform": "apn"}, 60306),
        ({"Config.NotificationToken": "short"}, 60306),
    ):
        refused(phone.update(**form), 400, code)
    config = phone.update(**{"Config.NotificationPlatform": "none"}).data["config"]
    assert (config["notification_platform"], config["notification_token"]) == ("none", None)
    refused(phone.update(**{"Config.NotificationPlatform": "apn"}), 400, 60300)
    form = {"Config.NotificationPlatform": "apn", "Config.NotificationToken": "0e" * 32}
    config = phone.update(**form, **{"Config.TimeStep": "40"}).data["config"]
    assert (config["notification_platform"], config["notification_token"]) == ("apn", "0e" * 32)
    assert "time_step" not in config
    assert config["credential_sid"] == phone.factor["config"]["credential_sid"]


def test_a_proof_that_is_wrong_or_none(api, service, root):
    phone = Phone(through(Client()), service.sid, WHO)
    phone.factor = api.post(f"{root}/Factors", phone.enrolment()).data
    other = Phone(None, service.sid, WHO)
    sid = phone.factor["sid"].encode()
    for proof, status, code in (
        (phone.der_signature(sid + b" "), 403, 60311),
        (other.der_signature(sid), 403, 60311),
        (base64.b64encode(b"\x30\x02\x01\x01").decode(), 403, 60311),
        ("not base64", 400, 60306),
        (phone.der_signature(sid).rstrip("=") + "é", 400, 60306),
        ("A" * 5457, 400, 60306),
        ("A" * 8000, 400, 60306),
    ):
        refused(phone.ask("POST", phone.itself, {"AuthPayload": proof}), status, code)
    assert Factor.objects.get().status == "unverified"
    # Unlike a code, a signature is not guessed: no number of failures closes the factor.
    for _ in range(6):
        refused(phone.update(AuthPayload=other.der_signature(sid)), 403, 60311)
    assert phone.verify().data["status"] == "verified"
    assert phone.verify().data["status"] == "verified"
    refused(phone.update(AuthPayload=other.der_signature(sid)), 403, 60311)


# Answers.


def forged(name, phone, payload):
    """An answer that must not count, and the number of its refusal."""
    header, other = {"typ": "JWT", "alg": "ES256"}, Phone(None, "VA", "x")
    good = phone.signed(payload)
    head, body, signature = good.split(".")
    der = base64.b64decode(phone.public_key)
    confused = f"{segment({'typ': 'JWT', 'alg': 'HS256'})}.{body}"
    mac = base64url(hmac.digest(der, confused.encode(), "sha256"))
    deep = "[" * 1900
    table = {
        "alg none": (f"{segment({'typ': 'JWT', 'alg': 'none'})}.{body}.{signature}", 60324),
        "alg none, unsigned": (f"{segment({'typ': 'JWT', 'alg': 'none'})}.{body}.", 60306),
        "public key as secret": (f"{confused}.{mac}", 60324),
        "another key": (other.signed(payload), 60324),
        "own key in the header": (phone.jws({**header, "jwk": {"kty": "EC"}}, payload), 60324),
        "critical extension": (phone.jws({**header, "crit": ["b64"]}, payload), 60324),
        "device token's type": (phone.jws({**header, "cty": "twilio-pba;v=1"}, payload), 60324),
        "no type": (phone.jws({"alg": "ES256"}, payload), 60324),
        "altered message": (phone.signed({**payload, "details": {"message": "x"}}), 60324),
        "no details": (phone.signed({**payload, "details": None}), 60324),
        "altered hidden details": (phone.signed({**payload, "hidden_details": {}}), 60324),
        "altered date": (phone.signed({**payload, "date_created": "2020-01-01T00:00:00Z"}), 60324),
        "another challenge": (phone.signed({**payload, "sid": "YC" + "0" * 32}), 60324),
        "sid missing": (phone.signed({k: v for k, v in payload.items() if k != "sid"}), 60324),
        "status unknown": (phone.signed({**payload, "status": "expired"}), 60306),
        "status in a list": (phone.signed({**payload, "status": ["approved"]}), 60306),
        "body altered": (f"{head}.{segment({**payload, 'status': 'denied'})}.{signature}", 60324),
        "signature cut": (good[:-2], 60324),
        "signature of DER": (
            f"{head}.{body}.{base64url(base64.b64decode(phone.der_signature(body.encode())))}",
            60324,
        ),
        "device token": (phone.device_token(), 60324),
        "four segments": (good + ".x", 60306),
        "two segments": (f"{head}.{body}", 60306),
        "garbage": ("%%%.%%%.%%%", 60306),
        "not base64": (f"{head}.a.{signature}", 60306),
        "not JSON": (phone.jws(header, "status=approved"), 60306),
        "a list": (phone.jws(header, "[]"), 60306),
        "names twice": (phone.jws(header, '{"sid": "a", "sid": "b"}'), 60306),
        "not a number": (phone.jws(header, '{"sid": NaN}'), 60306),
        "huge number": (phone.jws(header, '{"sid": ' + "9" * 3900 + "}"), 60324),
        "deep": (phone.jws(header, deep), 60306),
        "deep object": (phone.jws(header, '{"a":' * 700), 60306),
        "deep header": (f"{base64url(deep.encode())}.{body}.{signature}", 60306),
        "lone surrogate": (phone.jws(header, '{"sid": "\\ud800"}'), 60324),
        "long": (good + "A" * 5456, 60306),
        "not ascii": ("é.é.é", 60306),
    }
    return table[name]


FORGERIES = [
    *("alg none", "alg none, unsigned", "public key as secret", "another key"),
    *("own key in the header", "critical extension", "device token's type", "no type"),
    *("altered message", "no details", "altered hidden details", "altered date"),
    *("another challenge", "sid missing", "status unknown", "status in a list", "body altered"),
    *("signature cut", "signature of DER", "device token", "four segments", "two segments"),
    *("garbage", "not base64", "not JSON", "a list", "names twice", "not a number"),
    *("huge number", "deep", "deep object", "deep header", "lone surrogate", "long", "not ascii"),
]


def test_answers_that_do_not_count(api, service):
    phone = enrolled(api, service)
    sid = asked(api, phone)
    payload = phone.payload(sid, "approved")
    path = f"{phone.root}/Challenges/{sid}"
    for name in FORGERIES:
        proof, code = forged(name, phone, payload)
        for answer in (
            api.post(path, {"AuthPayload": proof}),
            phone.ask("POST", path, {"AuthPayload": proof}),
        ):
            assert (answer.status, answer.data["code"]) == (403 if code == 60324 else 400, code), (
                name
            )
    refused(api.post(path), 400, 60306)
    row = Challenge.objects.get()
    assert (row.status, row.date_responded) == ("pending", None)


def test_what_a_header_may_have_besides_is_ignored(api, service):
    """RFC 7515, section 4: members that are not understood must be ignored."""
    phone = enrolled(api, service)
    sid = asked(api, phone)
    payload = {**phone.payload(sid, "approved"), "member_of_tomorrow": [1]}
    header = {"typ": "JWT", "alg": "ES256", "x-sdk": {"version": "9"}, "iat": 5}
    answer = api.post(f"{phone.root}/Challenges/{sid}", {"AuthPayload": phone.jws(header, payload)})
    assert (answer.status, answer.data["status"]) == (200, "approved")


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "EC"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["AAAA"]},
        {"x5t": "AAAA"},
        {"kid": "CR" + "0" * 32},
        {"crit": ["x-sdk"], "x-sdk": 1},
        {"crit": []},
        {"b64": False},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
    ],
    ids=str,
)
def test_what_a_header_must_not_have_is_refused(member, api, service):
    phone = enrolled(api, service)
    sid = asked(api, phone)
    proof = phone.jws({"typ": "JWT", "alg": "ES256", **member}, phone.payload(sid, "approved"))
    refused(api.post(f"{phone.root}/Challenges/{sid}", {"AuthPayload": proof}), 403, 60324)


def test_an_answer_counts_once_and_in_time(api, service, clock):
    phone = enrolled(api, service)
    first, late = asked(api, phone), asked(api, phone)
    proof = phone.signed(phone.payload(first, "denied"))
    late_proof = phone.signed(phone.payload(late, "approved"))
    path = f"{phone.root}/Challenges"
    refused(api.post(f"{path}/{late}", {"AuthPayload": proof}), 403, 60324)
    assert api.post(f"{path}/{first}", {"AuthPayload": proof}).data["status"] == "denied"
    refused(api.post(f"{path}/{first}", {"AuthPayload": proof}), 403, 60322)
    approval = phone.signed({**phone.payload(late, "approved"), "sid": first})
    refused(api.post(f"{path}/{first}", {"AuthPayload": approval}), 403, 60322)
    clock.shift(300)
    refused(api.post(f"{path}/{late}", {"AuthPayload": late_proof}), 403, 60323)


def test_an_answer_of_another_who_has_gone(api, service):
    phone = enrolled(api, service)
    sid = asked(api, phone)
    proof = phone.signed(phone.payload(sid, "approved"))
    entity = entities.fetch(service, WHO)
    challenge = challenges.fetch(entity, sid)
    entities.delete(entity)
    with pytest.raises(NotFound):
        challenges.answer(challenge, proof)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Details.Message": None}, 400, 60300),
        ({"Details.Message": ""}, 400, 60300),
        ({"AuthPayload": "123456"}, 400, 60306),
    ],
)
def test_what_a_push_challenge_needs(api, service, form, status, code):
    phone = enrolled(api, service)
    sent = {"FactorSid": phone.factor["sid"], **DETAILS, **form}
    sent = {name: value for name, value in sent.items() if value is not None}
    refused(api.post(f"{phone.root}/Challenges", sent), status, code)
    assert not Notification.objects.exists()


def test_fifty_answers_at_one_moment(api, service, aligned):
    phone = enrolled(api, service)
    for _ in range(3):
        sid = asked(api, phone)
        proofs = [phone.signed(phone.payload(sid, s)) for s in ("approved", "denied")]
        path = f"{phone.root}/Challenges/{sid}"
        answers = aligned(
            [lambda n=n: api.post(path, {"AuthPayload": proofs[n % 2]}) for n in range(50)]
        )
        assert sorted(answer.status for answer in answers) == [200] + [403] * 49
        assert {answer.data["code"] for answer in answers if answer.status == 403} == {60322}
        (won,) = [answer for answer in answers if answer.status == 200]
        assert Challenge.objects.get(sid=sid).status == won.data["status"]
        Challenge.objects.all().delete()


# What a device may not do.


def test_a_device_is_closed_out_of_everything_else(api, service, root, account):
    phone, second = enrolled(api, service), enrolled(api, service)
    neighbour = enrolled(api, service, who="somebody-else")
    elsewhere = make_service(account)
    mine, theirs = asked(api, phone), asked(api, second)
    other = f"Services/{elsewhere.sid}"
    base = f"Services/{service.sid}"
    for method, path in (
        ("GET", "Services"),
        ("POST", "Services"),
        ("POST", base),
        ("DELETE", base),
        ("GET", other),
        ("GET", "Attempts"),
        ("GET", "Forms/form-push"),
        ("GET", f"{base}/Webhooks"),
        ("POST", f"{base}/AccessTokens"),
        ("POST", f"{base}/Verifications"),
        ("POST", f"{base}/VerificationCheck"),
        ("GET", f"{base}/Entities"),
        ("GET", root),
        ("DELETE", root),
        ("GET", f"{root}/Factors"),
        ("POST", f"{root}/Factors"),
        ("GET", phone.itself),
        ("POST", second.itself),
        ("DELETE", second.itself),
        ("POST", neighbour.itself),
        ("POST", f"{root}/Challenges"),
        ("GET", f"{root}/Challenges/{theirs}"),
        ("POST", f"{root}/Challenges/{theirs}"),
        ("POST", f"{root}/Challenges/{mine}/Notifications"),
        ("GET", f"{neighbour.root}/Challenges"),
        ("GET", f"{other}/Entities/{WHO}/Challenges"),
        ("POST", phone.itself.replace(service.sid, elsewhere.sid)),
        ("PUT", phone.itself),
        ("OPTIONS", phone.itself),
        ("GET", "Nothing"),
    ):
        answer = phone.ask(method, path, {"FriendlyName": "Mine"} if method == "POST" else None)
        assert (answer.status, answer.data["code"]) == (404, 20404), (method, path)
    assert Factor.objects.filter(friendly_name="Mine").count() == 0
    listed = phone.ask("GET", f"{root}/Challenges").data["challenges"]
    assert [row["sid"] for row in listed] == [mine]
    foreign = {"FactorSid": second.factor["sid"]}
    assert phone.ask("GET", f"{root}/Challenges", query=foreign).data["challenges"] == []


def test_an_unverified_device_may_only_prove_change_or_delete_itself(api, service, root):
    phone = Phone(through(Client()), service.sid, WHO)
    phone.factor = api.post(f"{root}/Factors", phone.enrolment()).data
    for path in (f"{root}/Challenges", f"Services/{service.sid}", phone.itself):
        refused(phone.ask("GET", path), 404, 20404)
    assert phone.update(FriendlyName="Changed").data["status"] == "unverified"
    assert phone.delete().status == 204


TOKENS = {
    "good": lambda phone: phone.device_token(),
    "a member of tomorrow": lambda phone: phone.device_token({"x-sdk": {"v": [1]}, "ver": 2}),
    "a claim of tomorrow": lambda phone: phone.device_token(more={"deep": [None]}),
    "skewed a little": lambda phone: phone.device_token(
        nbf=int(time.time()) + 9, exp=int(time.time()) + 609
    ),
}
BAD_TOKENS = {
    "not yet": lambda p: p.device_token(nbf=p.now() + 60, exp=p.now() + 600),
    "expired": lambda p: p.device_token(nbf=p.now() - 600, exp=p.now() - 11),
    "too long": lambda p: p.device_token(exp=p.now() + 700),
    "no end": lambda p: p.device_token(exp=None),
    "text for time": lambda p: p.device_token(exp=str(p.now() + 60)),
    "fraction": lambda p: p.device_token(nbf=p.now() - 0.5),
    "truth for time": lambda p: p.device_token(nbf=True),
    "endless": lambda p: p.device_token(exp=10**400),
    "another account": lambda p: p.device_token(sub="AC" + "0" * 32),
    "no account": lambda p: p.device_token(sub=None),
    "another content": lambda p: p.device_token({"cty": "twilio-fpa;v=1"}),
    "no content": lambda p: p.device_token({"cty": None}),
    "another type": lambda p: p.device_token({"typ": "JOSE"}),
    "unknown key": lambda p: p.device_token({"kid": "CR" + "0" * 32}),
    "the factor as key": lambda p: p.device_token({"kid": p.factor["sid"]}),
    "a list as key": lambda p: p.device_token({"kid": ["CR"]}),
    "alg none": lambda p: p.device_token({"alg": "none"}),
    "alg HS256": lambda p: p.device_token({"alg": "HS256"}),
    "more in the header": lambda p: p.device_token({"jku": "https://evil.example"}),
    "unsigned": lambda p: p.device_token().rpartition(".")[0] + ".",
    "another signature": lambda p: p.device_token()[:-8] + "AAAAAAAA",
    "an answer": lambda p: p.signed({"sid": "x"}),
    "long": lambda p: p.device_token(more="x" * 8000),
    "deep": lambda p: p.jws({"alg": "ES256"}, "[" * 2500),
    "deep header": lambda p: f"{base64url(b'[' * 2500)}.e30.AA",
    "garbage": lambda p: "%.%.%",
    "nothing": lambda p: "",
    "five dots": lambda p: "a..b.c.d",
    "not ascii": lambda p: "é.é.é",
}


def test_tokens_of_a_device(api, service, clock):
    phone, other = enrolled(api, service), enrolled(api, service)
    client, path = Client(raise_request_exception=False), f"/v2/{phone.root}/Challenges"
    stolen = other.device_token({"kid": phone.factor["config"]["credential_sid"]})
    for name, make in {**TOKENS, **BAD_TOKENS, "another key": lambda p: stolen}.items():
        answer = client.get(path, headers={"authorization": basic("token", make(phone))})
        assert answer.status_code == (200 if name in TOKENS else 401), name
        if name not in TOKENS:
            assert json.loads(answer.content)["code"] == 20003
            assert answer["WWW-Authenticate"].startswith("Basic")
            assert "Twilio-Verify-Signature-Fields" not in answer.headers
    good = phone.device_token()
    for user in ("Token", "", phone.factor["account_sid"]):
        answer = client.get(path, headers={"authorization": basic(user, good)})
        assert answer.status_code == 401


def test_a_device_lives_as_long_as_its_account_and_its_factor(api, account, service):
    phone = enrolled(api, service)
    account.is_active = False
    account.save()
    assert phone.ask("GET", f"{phone.root}/Challenges").status == 401
    account.is_active = True
    account.save()
    assert phone.ask("GET", f"{phone.root}/Challenges").status == 200
    api.delete(phone.itself)
    assert phone.ask("GET", f"{phone.root}/Challenges").status == 401


# Access tokens.


@pytest.fixture
def issued(service):
    return f"Services/{service.sid}/AccessTokens"


def test_an_access_token(api, service, issued, clock):
    form = {"Identity": WHO, "FactorType": "push", "FactorFriendlyName": "Jo", "Ttl": "120"}
    made = api.post(issued, form)
    assert made.status == 201
    sid, token = made.data["sid"], made.data["token"]
    assert made.data == {
        "sid": sid,
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_identity": WHO,
        "factor_type": "push",
        "factor_friendly_name": "Jo",
        "token": token,
        "url": f"http://testserver/v2/{issued}/{sid}",
        "ttl": 120,
        "date_created": "2026-03-01T12:00:00Z",
    }
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert {k: header[k] for k in header if k != "kid"} == {
        "alg": "dir",
        "enc": "A256GCM",
        "zip": "DEF",
        "cty": "twilio-fpa;v=1",
    }
    assert token.split(".")[1] == ""
    assert WHO not in token
    assert token not in str(AccessToken.objects.values())
    again = api.get(f"{issued}/{sid}").data
    assert {**again, "token": ""} == {**made.data, "token": ""}
    # Written anew, it is the same leave: once used, both are.
    phone = Phone(through(Client()), service.sid, WHO)
    assert phone.enrol(again["token"]).status == 201
    assert Phone(through(Client()), service.sid, WHO).enrol(token).status == 401
    clock.shift(120)
    refused(api.get(f"{issued}/{sid}"), 404, 20404)
    clock.shift(3601)
    assert purged("access tokens") == 1
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"Identity": None},
        {"Identity": ""},
        {"Identity": "short"},
        {"Identity": "x" * 65},
        {"Identity": "somebody@example.com"},
        {"FactorType": None},
        {"FactorType": "totp"},
        {"FactorType": "passkeys"},
        {"FactorFriendlyName": "x" * 65},
        {"Ttl": "59"},
        {"Ttl": "301"},
        {"Ttl": "soon"},
    ],
    ids=str,
)
def test_parameters_of_an_access_token(api, issued, form):
    sent = {"Identity": WHO, "FactorType": "push", **form}
    sent = {name: value for name, value in sent.items() if value is not None}
    refused(api.post(issued, sent), 400, 60305)
    assert not AccessToken.objects.exists()


# Members of types that a library may not expect, in front of a seal that is otherwise right.
ODD_HEADERS = [{"enc": []}, {"enc": {}}, {"alg": [[]]}, {"crit": 5}, {"crit": [[]]}, {"zip": []}]


def test_an_access_token_creates_one_factor_and_nothing_else(api, account, service, issued, root):
    def token(**form):
        return api.post(issued, {"Identity": WHO, "FactorType": "push", **form}).data["token"]

    client = Client(raise_request_exception=False)
    send = through(client)
    good = token()
    header = json.loads(base64.urlsafe_b64decode(good.split(".")[0] + "=="))
    holder = {"authorization": basic("token", good)}
    for path in ("Services", issued, root, f"{root}/Factors", f"{root}/Challenges"):
        assert client.get(f"/v2/{path}", headers=holder).status_code == 401
    assert client.post(f"/v2/{issued}", headers=holder).status_code == 401
    other_service = make_service(account)
    refused(Phone(send, other_service.sid, WHO).enrol(good), 403, 60313)
    theirs = make_service(make_account("Other"))
    refused(Phone(send, theirs.sid, WHO).enrol(good), 403, 60313)
    refused(Phone(send, service.sid, "somebody-else").enrol(good), 403, 60313)
    phone = Phone(send, service.sid, WHO)
    refused(phone.enrol(good, FactorType="totp"), 403, 60313)
    refused(phone.enrol(good, FriendlyName=None), 400, 60300)
    refused(phone.enrol(good, **{"Binding.PublicKey": "x"}), 400, 60314)
    for wrong in (
        good[:-4] + "AAAA",
        "e30....",
        f"{base64url(b'[' * 3000)}....",
        good.replace(good.split(".")[0], segment({"alg": "dir", "enc": "A256GCM", "kid": "x"})),
        *(good.replace(good.split(".")[0], segment({**header, **odd})) for odd in ODD_HEADERS),
        good + "A" * 8000,
    ):
        assert phone.enrol(wrong).status == 401
    # What was refused has not used it up.
    assert Phone(send, service.sid, WHO.lower()).enrol(good).status == 201
    assert Phone(send, service.sid, WHO).enrol(good).status == 401
    assert Factor.objects.count() == 1
    account.is_active = False
    fresh = token()
    account.save()
    assert Phone(send, service.sid, WHO).enrol(fresh).status == 401


def test_no_token_is_issued_for_a_service_that_has_gone(service):
    type(service).objects.all().delete()
    with pytest.raises(NotFound):
        access_tokens.issue(service, WHO)
    assert not AccessToken.objects.exists()


def test_an_access_token_runs_out(api, service, issued, clock):
    made = api.post(issued, {"Identity": WHO, "FactorType": "push"}).data
    assert made["ttl"] == 60
    clock.shift(60)
    phone = Phone(through(Client()), service.sid, WHO)
    assert phone.enrol(made["token"]).status == 401
    assert not Factor.objects.exists()


def test_an_access_token_used_twenty_times_at_once(api, service, issued, aligned):
    token = api.post(issued, {"Identity": WHO, "FactorType": "push"}).data["token"]
    phones = [Phone(through(Client()), service.sid, WHO) for _ in range(20)]
    answers = aligned([lambda phone=phone: phone.enrol(token) for phone in phones])
    assert sorted(answer.status for answer in answers) == [201] + [401] * 19
    assert Factor.objects.count() == 1


def test_keys_of_another_purpose_open_nothing(settings, api, service, issued):
    secret = "a secret of the ring, long enough for anyone to be content"
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"KEYS": {"k1": secret}}
    token = access_tokens.text(access_tokens.issue(service, WHO))
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"KEYS": {"k2": secret + "!", "k1": secret}}
    assert access_tokens.read(token).identity == WHO
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"KEYS": {"k1": secret + "!"}}
    with pytest.raises(access_tokens.AuthenticationRequired):
        access_tokens.read(token)


# Notifications.


def test_three_notifications_may_be_asked_for(api, service, clock, pushed):
    phone = enrolled(api, service)
    sid = asked(api, phone)
    path = f"{phone.root}/Challenges/{sid}/Notifications"
    made = api.post(path, {"Ttl": "0"})
    assert made.status == 201
    assert made.data == {
        "sid": made.data["sid"],
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_sid": phone.factor["entity_sid"],
        "identity": WHO,
        "challenge_sid": sid,
        "priority": "high",
        "ttl": 0,
        "date_created": "2026-03-01T12:00:00Z",
    }
    assert api.post(path).data["ttl"] == 300
    for ttl in ("-1", "301", "x"):
        refused(api.post(path, {"Ttl": ttl}), 400, 60306)
    assert api.post(path).status == 201
    refused(api.post(path), 429, 60309)
    assert [message.ttl for message in pushed] == [300, 0, 300, 300]
    assert {message.token for message in pushed} == {FCM_TOKEN}
    refused(api.post(path.replace(sid, "YC" + "0" * 32)), 404, 20404)


def test_challenges_without_notifications(api, service, clock, pushed):
    silent = enrolled(api, service, **{"Config.NotificationPlatform": "none"})
    assert silent.factor["config"]["notification_token"] is None
    path = f"{silent.root}/Challenges/{asked(api, silent)}/Notifications"
    refused(api.post(path), 400, 60307)
    phone = enrolled(api, service)
    answered, late = asked(api, phone), asked(api, phone)
    phone.answer(answered, "approved")
    refused(api.post(f"{phone.root}/Challenges/{answered}/Notifications"), 403, 60322)
    clock.shift(300)
    refused(api.post(f"{phone.root}/Challenges/{late}/Notifications"), 403, 60323)
    code = {"FriendlyName": "App", "FactorType": "totp"}
    totp = api.post(f"{phone.root}/Factors", code).data["sid"]
    Factor.objects.filter(sid=totp).update(status="verified")
    sid = api.post(f"{phone.root}/Challenges", {"FactorSid": totp}).data["sid"]
    refused(api.post(f"{phone.root}/Challenges/{sid}/Notifications"), 400, 60306)
    assert {message.factor_sid for message in pushed} == {phone.factor["sid"]}


def test_notifications_asked_for_at_one_moment(api, service, aligned):
    phone = enrolled(api, service)
    path = f"{phone.root}/Challenges/{asked(api, phone)}/Notifications"
    answers = aligned([lambda: api.post(path) for _ in range(20)])
    assert sorted(answer.status for answer in answers) == [201] * 3 + [429] * 17
    assert Notification.objects.count() == 4


# Without the library, and through the SDK.


def test_without_the_extra_there_is_a_clear_error(api, service, root, issued, monkeypatch):
    phone = enrolled(api, service)
    sid = asked(api, phone)
    proof = phone.signed(phone.payload(sid, "approved"))
    monkeypatch.setattr("django_verify.crypto.jose.installed", lambda *names: False)
    new = Phone(None, service.sid, WHO)
    for answer in (
        api.post(f"{root}/Factors", new.enrolment()),
        api.post(issued, {"Identity": WHO, "FactorType": "push"}),
        api.post(f"{root}/Challenges/{sid}", {"AuthPayload": proof}),
        phone.ask("GET", f"{root}/Challenges"),
        phone.verify(),
    ):
        assert "django-verify[jose]" in refused(answer, 403, 60204)
    assert api.get(f"{root}/Challenges/{sid}").status == 200


def test_the_sdk(live_server, account):
    client = Sdk(account.sid, account.token)
    client.verify.base_url = live_server.url
    service = client.verify.v2.services.create(friendly_name="Acme", push_include_date=True)
    scope = client.verify.v2.services(service.sid)
    issued = scope.access_tokens.create(identity=WHO, factor_type="push", ttl=300)
    assert scope.access_tokens(issued.sid).fetch().ttl == 300
    phone = Phone(over(live_server.url), service.sid, WHO)
    phone.enrol(issued.token)
    phone.verify()
    entity = scope.entities(WHO)
    factor = entity.factors(phone.factor["sid"]).fetch()
    assert (factor.status, factor.factor_type) == ("verified", "push")
    made = entity.new_factors.create(
        friendly_name="Other",
        factor_type="push",
        binding_alg="ES256",
        binding_public_key=Phone(None, service.sid, WHO).public_key,
        config_app_id="com.example.app",
        config_notification_platform="none",
        config_sdk_version="1",
    )
    assert entity.factors(made.sid).update(friendly_name="Changed").friendly_name == "Changed"
    challenge = entity.challenges.create(
        factor_sid=factor.sid,
        details_message="Log in?",
        details_fields=[{"label": "From", "value": "Lyon"}],
        hidden_details={"ip": "192.0.2.1"},
    )
    assert challenge.details["date"]
    assert entity.challenges(challenge.sid).notifications.create(ttl=0).priority == "high"
    phone.answer(challenge.sid, "approved")
    fetched = entity.challenges(challenge.sid).fetch()
    assert (fetched.status, fetched.hidden_details) == ("approved", {"ip": "192.0.2.1"})
