"""Passkeys on the wire: options, ceremonies of a software authenticator, and every refusal."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from django_verify import signals
from django_verify.factors import challenges as verbs
from django_verify.factors import passkeys
from django_verify.models import Challenge, Entity, Factor
from tests.authenticator import AT, BE, BS, UP, UV, Authenticator, RsaAuthenticator, b64
from tests.conftest import THREADS, Api, make_service
from tests.factors.test_entities import listen, received
from tests.operations import OPERATIONS

pytest.importorskip("webauthn")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

WHO = "User-0001"
PARTY = {
    "id": "example.com",
    "name": "Example",
    "origins": ["https://example.com", "app.example.com"],
}
CONFIG = {
    "relying_party": PARTY,
    "authenticator_attachment": "platform",
    "discoverable_credentials": "preferred",
    "user_verification": "preferred",
}
KEYS = {
    operation.path.rpartition("/")[2]: operation
    for operation in OPERATIONS
    if "/Passkeys/" in operation.path
}
SETTINGS = {
    "passkeys_relying_party_id": "example.com",
    "passkeys_relying_party_name": "Example",
    "passkeys_relying_party_origins": "https://example.com, app.example.com",
    "passkeys_authenticator_attachment": "any",
    "passkeys_discoverable_credentials": "required",
    "passkeys_user_verification": "required",
}


@pytest.fixture
def service(account):
    return make_service(account, **SETTINGS)


class Site:
    """A site's calls: JSON in, the contract's keys out."""

    def __init__(self, api, service):
        self.api, self.service = api, service
        self.root = f"Services/{service.sid}"

    def post(self, operation, body, **options):
        text = body if isinstance(body, str) else json.dumps(body)
        options.setdefault("content_type", "application/json")
        answer = self.api.post(f"{self.root}/Passkeys/{operation}", body=text, **options)
        if answer.status < 400:
            assert answer.status == KEYS[operation].status
            assert set(answer.data) == KEYS[operation].answer
        else:
            assert set(answer.data) == {"code", "message", "more_info", "status"}
        return answer

    def enrol(self, identity=WHO, **config):
        body = {"friendly_name": "Phone", "identity": identity}
        if config:
            body["config"] = {**CONFIG, **config}
        return self.post("Factors", body).data

    def enrolled(self, device=None, identity=WHO, **config):
        """A device with a verified passkey, and the factor."""
        device = device or Authenticator()
        verified = self.post(
            "VerifyFactor", device.create(self.enrol(identity, **config)["options"])
        )
        assert verified.status == 200, verified.data
        device.factor = verified.data
        return device

    def ask(self, **body):
        return self.post("Challenges", body).data

    def approve(self, credential):
        return self.post("ApproveChallenge", credential)


@pytest.fixture
def site(api, service):
    return Site(api, service)


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    return answer.data["message"]


def test_a_new_passkey(site, service, clock):
    made = site.post("Factors", {"friendly_name": "Phone", "identity": WHO, "config": CONFIG}).data
    url = f"http://testserver/v2/Services/{service.sid}/Entities/{WHO}/Factors/{made['sid']}"
    assert (made["status"], made["factor_type"], made["url"]) == ("unverified", "passkeys", url)
    assert made["config"] == CONFIG
    assert (made["binding"], made["metadata"]) == (None, None)
    assert made["options"] == {
        "publicKey": {
            "rp": {"id": "example.com", "name": "Example"},
            "user": {
                "id": b64(made["entity_sid"].encode()),
                "name": "Phone",
                "displayName": "Phone",
            },
            "challenge": b64(made["sid"].encode()),
            "pubKeyCredParams": [
                {"type": "public-key", "alg": -7},
                {"type": "public-key", "alg": -257},
            ],
            "timeout": 600000,
            "excludeCredentials": [],
            "authenticatorSelection": {
                "authenticatorAttachment": "platform",
                "requireResidentKey": False,
                "residentKey": "preferred",
                "userVerification": "preferred",
            },
            "attestation": "none",
        }
    }


def test_what_is_not_configured_is_the_services(site):
    made = site.enrol()
    assert made["config"]["relying_party"] == PARTY
    selection = made["options"]["publicKey"]["authenticatorSelection"]
    assert selection == {
        "requireResidentKey": True,
        "residentKey": "required",
        "userVerification": "required",
    }
    nulls = {"authenticator_attachment": None, "relying_party": None}
    assert site.enrol(**nulls)["config"] == {**CONFIG, "authenticator_attachment": "any"}


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"friendly_name": None}, 60388, "friendly_name"),
        ({"friendly_name": "x" * 65}, 60388, "friendly_name"),
        ({"friendly_name": 5}, 60388, "friendly_name"),
        ({"friendly_name": ["Phone"]}, 60388, "friendly_name"),
        ({"identity": None}, 60367, "identity"),
        ({"identity": "a b"}, 60367, "identity"),
        ({"identity": {"a": 1}}, 60367, "identity"),
        ({"config": "platform"}, 60370, "config"),
        ({"config": {"user_verification": "always"}}, 60370, "config.user_verification"),
        ({"config": {"user_verification": ["required"]}}, 60370, "config.user_verification"),
        ({"config": {"relying_party": []}}, 60371, "config.relying_party"),
        ({"config": {"relying_party": {"id": "example.com"}}}, 60371, "config.relying_party.name"),
        ({"config": {"relying_party": {**PARTY, "origins": "a, b"}}}, 60371, "origins"),
        ({"config": {"relying_party": {**PARTY, "origins": []}}}, 60371, "origins"),
        ({"config": {"relying_party": {**PARTY, "origins": ["ftp://a"]}}}, 60371, "origins"),
        ({"config": {"relying_party": {**PARTY, "origins": ["a/b"]}}}, 60371, "origins"),
        ({"config": {"relying_party": {**PARTY, "origins": [7]}}}, 60371, "origins"),
        ({"config": {"relying_party": {**PARTY, "id": None}}}, 60372, "config.relying_party.id"),
        ({"config": {"relying_party": {**PARTY, "id": "https://a.com"}}}, 60372, "id"),
        ({"config": {"relying_party": {**PARTY, "id": "a.com:443"}}}, 60372, "id"),
        ({"config": {"relying_party": {**PARTY, "id": "a.com\n"}}}, 60372, "id"),
        ({"config": {"relying_party": {**PARTY, "id": 1}}}, 60372, "id"),
    ],
    ids=str,
)
def test_a_bad_body_has_the_number_of_its_member(site, change, code, named):
    body = {"friendly_name": "Phone", "identity": WHO, "unknown": {"nested": [1]}, **change}
    assert f"{named}`" in refused(site.post("Factors", body), 400, code)
    assert not Factor.objects.exists()


@pytest.mark.parametrize("value", [5, 1.5, True, [], {}, {"a": 1}, "", "YF", "YF" + "0" * 33])
def test_a_factor_that_is_named_by_no_sid(site, value):
    assert "factor_sid`" in refused(site.post("Challenges", {"factor_sid": value}), 400, 60362)


def test_criteria_that_nobody_names_are_listed(site, service):
    type(service).objects.update(
        passkeys_authenticator_attachment="", passkeys_user_verification=""
    )
    message = refused(site.post("Factors", {"friendly_name": "x", "identity": WHO}), 400, 60393)
    assert "authenticator_attachment, user_verification" in message
    assert "discoverable" not in message


def test_a_service_without_a_relying_party(site, service):
    type(service).objects.update(
        passkeys_relying_party_id="",
        passkeys_relying_party_name="",
        passkeys_relying_party_origins="",
    )
    refused(site.post("Factors", {"friendly_name": "x", "identity": WHO}), 400, 60371)
    refused(site.post("Challenges", {}), 400, 60371)
    type(service).objects.update(passkeys_relying_party_name="Example")
    refused(site.post("Factors", {"friendly_name": "x", "identity": WHO}), 400, 60372)
    refused(site.post("Challenges", {}), 400, 60372)
    device = site.enrolled(relying_party=PARTY)
    assert site.ask(identity=WHO)["options"]["publicKey"]["rpId"] == device.rp_id


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[" * 100_000, 400),
        ('{"config":' * 20_000 + "1" + "}" * 20_000, 400),
        ("[]", 400),
        ('"text"', 400),
        ("{", 400),
        ('{"identity": "a", "identity": "b"}', 400),
        ('{"identity": NaN}', 400),
        ('{"x": {"y": "\\u0000"}}', 400),
        ('{"x": {"\\ud800": 1}}', 400),
        ('{"identity": "' + "x" * 300_000 + '"}', 413),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("operation", KEYS)
def test_a_body_that_is_no_object_of_texts(site, operation, body, status):
    assert site.post(operation, body).status == status


@pytest.mark.parametrize("operation", KEYS)
def test_a_form_is_refused(site, operation):
    form = "application/x-www-form-urlencoded"
    message = refused(site.post(operation, "identity=x", content_type=form), 415, 20422)
    assert "application/json" in message
    assert "form" not in message


def test_a_passkey_is_verified_once(site, service):
    listen(service, "factor.verified")
    made, device = site.enrol(), Authenticator(flags=UP | UV | BE | BS, count=3)
    credential = device.create(made["options"])
    verified = site.post("VerifyFactor", credential).data
    assert verified == {
        **{k: v for k, v in made.items() if k not in {"binding", "options"}},
        "status": "verified",
        "date_updated": verified["date_updated"],
    }
    row = Factor.objects.get()
    assert row.binding["id"] == b64(device.id)
    assert row.binding["transports"] == ["internal"]
    assert (row.binding["backup_eligible"], row.binding["backed_up"]) == (True, True)
    assert (row.sign_count, row.failures) == (3, 0)
    refused(site.post("VerifyFactor", credential), 400, 60383)
    assert [name for name, _ in received()] == ["factor.verified"]
    path = f"{site.root}/Entities/{WHO}/Factors"
    assert site.api.get(f"{path}/{made['sid']}").data == verified
    assert site.api.get(path).data["factors"] == [verified]


@pytest.mark.parametrize("raw", ["hex", "HEX", "base64", "absent", "null"])
def test_the_raw_id_has_many_spellings(site, raw):
    device = Authenticator()
    credential = device.create(site.enrol()["options"])
    spelled = {"hex": device.id.hex(), "HEX": device.id.hex().upper(), "null": None}
    credential["rawId"] = spelled.get(raw, b64(device.id) + "=")
    credential["authenticatorAttachment"] = None
    del credential["type"]
    if raw == "absent":
        del credential["rawId"], credential["id"]
    assert site.post("VerifyFactor", credential).status == 200


def test_a_second_passkey_excludes_the_first(site):
    device = site.enrolled()
    (excluded,) = site.enrol()["options"]["publicKey"]["excludeCredentials"]
    assert excluded == {"id": b64(device.id), "type": "public-key", "transports": ["internal"]}
    other = {**PARTY, "id": "other.com"}
    options = site.enrol(relying_party=other)["options"]
    assert options["publicKey"]["excludeCredentials"] == []
    assert site.enrol("somebody-else")["options"]["publicKey"]["excludeCredentials"] == []


def test_a_credential_is_bound_once_in_a_service(site, api, account):
    device = site.enrolled()
    again = device.create(site.enrol("somebody-else")["options"])
    refused(site.post("VerifyFactor", again), 409, 60317)
    other = Site(api, make_service(account, **SETTINGS))
    assert other.enrolled(device).factor["status"] == "verified"


def edited(credential, path="", value=None):
    *outer, last = path.split(".")
    target = credential
    for name in outer:
        target = target[name]
    target[last] = value
    return credential


RSA = {1: 3, 3: -257, -1: b"\xc1" * 256, -2: b"\x01\x00\x01"}
ED25519 = {1: 1, 3: -8, -1: 6, -2: b"\x01" * 32}
P384 = {1: 2, 3: -7, -1: 2, -2: b"\x01" * 48, -3: b"\x01" * 48}
OFF_CURVE = {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x01" * 32}

BAD_REGISTRATIONS = {
    "type": (lambda d, o: d.create(o, type="webauthn.get"), 60380),
    "origin": (lambda d, o: d.create(o, origin="https://evil.example"), 60380),
    "origin of a list": (lambda d, o: d.create(o, origin=["https://example.com"]), 60380),
    "origin with port": (lambda d, o: d.create(o, origin="https://example.com:8443"), 60380),
    "insecure origin": (lambda d, o: d.create(o, origin="http://example.com"), 60380),
    "cross origin": (lambda d, o: d.create(o, crossOrigin=True), 60380),
    "cross origin text": (lambda d, o: d.create(o, crossOrigin="false"), 60380),
    "top origin": (lambda d, o: d.create(o, topOrigin="https://evil.example"), 60380),
    "relying party": (lambda d, o: d.create(o, rp_id="evil.example"), 60386),
    "no user": (lambda d, o: d.create(o, flags=UV), 60386),
    "not verified": (lambda d, o: d.create(o, flags=UP), 60386),
    "backup": (lambda d, o: d.create(o, flags=UP | UV | BS), 60386),
    "RSA of 1024 bits": (lambda d, o: d.create(o, cose={**RSA, -1: b"\xc1" * 128}), 60385),
    "RSA of 8192 bits": (lambda d, o: d.create(o, cose={**RSA, -1: b"\xc1" * 1024}), 60385),
    "exponent 1": (lambda d, o: d.create(o, cose={**RSA, -2: b"\x01"}), 60385),
    "RS384": (lambda d, o: d.create(o, cose={**RSA, 3: -258}), 60385),
    "PS256": (lambda d, o: d.create(o, cose={**RSA, 3: -37}), 60385),
    "RS1": (lambda d, o: d.create(o, cose={**RSA, 3: -65535}), 60385),
    "RSA for ES256": (lambda d, o: d.create(o, cose={**RSA, 3: -7}), 60385),
    "P-256 for RS256": (lambda d, o: d.create(o, cose={**d.cose(), 3: -257}), 60385),
    "Ed25519": (lambda d, o: d.create(o, cose=ED25519), 60385),
    "P-384": (lambda d, o: d.create(o, cose=P384), 60385),
    "off the curve": (lambda d, o: d.create(o, cose=OFF_CURVE), 60385),
    "no key": (lambda d, o: d.create(o, cose={1: 2}), 60385),
    "key of texts": (lambda d, o: d.create(o, cose={1: "EC2", 3: -7, -1: "P-256"}), 60385),
    "statement of none": (lambda d, o: d.create(o, attestation={"attStmt": {"x": 1}}), 60386),
    "statement of text": (lambda d, o: d.create(o, attestation={"attStmt": "x"}), 60386),
    "no format": (lambda d, o: d.create(o, attestation={"fmt": 5}), 60386),
    "short data": (lambda d, o: d.create(o, attestation={"authData": b"\x00" * 36}), 60386),
    "no credential": (lambda d, o: d.create(o, attestation={"authData": d.data(UP | UV)}), 60387),
    "cut credential": (
        lambda d, o: d.create(o, attestation={"authData": d.data(UP | UV | AT) + bytes(10)}),
        60386,
    ),
    "another id": (lambda d, o: edited(d.create(o), "id", b64(b"x" * 32)), 60376),
    "another id and raw id": (
        lambda d, o: edited(edited(d.create(o), "id", b64(b"x" * 32)), "rawId", None),
        60375,
    ),
    "cbor": (lambda d, o: edited(d.create(o), "response.attestationObject", b64(b"\xff")), 60386),
    "cbor depth": (
        lambda d, o: edited(d.create(o), "response.attestationObject", b64(b"\x81" * 6000)),
        60386,
    ),
}
# What is refused before a registration is looked for, and leaves it open.
MALFORMED_REGISTRATIONS = {
    "id": ("id", "!", 60375),
    "id of a number": ("id", 5, 60375),
    "long id": ("id", b64(b"x" * 1024), 60375),
    "raw id": ("rawId", "zz", 60376),
    "raw id list": ("rawId", [], 60376),
    "long raw id": ("rawId", "a" * 8000, 60376),
    "attachment": ("authenticatorAttachment", ["platform"], 60377),
    "kind": ("type", "password", 60378),
    "no response": ("response", None, 60378),
    "response": ("response", "x", 60378),
    "no object": ("response.attestationObject", None, 60386),
    "empty object": ("response.attestationObject", "", 60386),
    "no base64": ("response.attestationObject", "a b", 60386),
    "huge object": ("response.attestationObject", "A" * 100_000, 60386),
    "transports": ("response.transports", "internal", 60378),
    "client data": ("response.clientDataJSON", "", 60380),
    "client data base64": ("response.clientDataJSON", "é", 60380),
    "client data depth": ("response.clientDataJSON", b64(b"[" * 60_000), 60380),
    "client data list": ("response.clientDataJSON", b64(b"[]"), 60380),
    "client data bytes": ("response.clientDataJSON", b64(b"\xff" * 6000), 60380),
    "challenge": ("response.clientDataJSON", b64(b'{"challenge": "AAAA"}'), 60380),
    "challenge type": ("response.clientDataJSON", b64(b'{"challenge": {}}'), 60380),
    "unknown challenge": (
        "response.clientDataJSON",
        b64(json.dumps({"challenge": b64(b"YF" + b"0" * 32)}).encode()),
        60390,
    ),
}


# What standards and browsers may add: (path of the member, its value).
ADDITIONS = {
    "attachment": ("authenticatorAttachment", "any"),
    "long attachment": ("authenticatorAttachment", "x" * 5000),
    "empty attachment": ("authenticatorAttachment", ""),
    "null attachment": ("authenticatorAttachment", None),
    "member": ("clientExtensionResults", {"credProps": {"rk": True}, "prf": {"enabled": True}}),
    "member of the response": ("response.publicKeyAlgorithm", -7),
    "member of another type": ("response.futureMember", [{"deep": [1, None]}]),
    "transport": ("response.transports", ["internal", "cable", "teleport"]),
    "long transport": ("response.transports", ["x" * 5000]),
    "many transports": ("response.transports", [f"t{number}" for number in range(500)]),
    "transports of odd types": ("response.transports", [5, None, ["usb"], {"usb": 1}, "usb"]),
}
# Members of a client's data that an authenticator's answer may have.
OF_THE_CLIENT = [
    {"tokenBinding": {}},
    {"tokenBinding": None},
    {"tokenBinding": "unused"},
    {"tokenBinding": {"status": "not-supported"}},
    {"tokenBinding": {"status": "supported"}},
    {"tokenBinding": {"status": "present", "id": "AAAA"}},
    {"tokenBinding": {"status": ["odd"]}},
    {"other_keys_can_be_added_here": "do not compare clientDataJSON against a template"},
    {"crossOrigin": None},
    {"payment": {"rpId": "example.com"}, "futureMember": [1, {"deep": None}]},
]


@pytest.mark.parametrize("name", ADDITIONS)
def test_what_may_be_added_to_a_credential_is_ignored(site, name):
    device, made = Authenticator(), site.enrol()
    path, value = ADDITIONS[name]
    answer = site.post("VerifyFactor", edited(device.create(made["options"]), path, value))
    assert (answer.status, answer.data["status"]) == (200, "verified")
    kept = Factor.objects.get().binding["transports"]
    assert set(kept) <= {"internal", "usb"}
    asked = site.ask()
    approved = site.approve(edited(device.get(asked["options"]), path, value))
    assert (approved.status, approved.data["status"]) == (200, "approved")


@pytest.mark.parametrize("members", OF_THE_CLIENT, ids=str)
def test_what_may_be_added_to_a_clients_data_is_ignored(site, members):
    device, made = Authenticator(), site.enrol()
    answer = site.post("VerifyFactor", device.create(made["options"], **members))
    assert (answer.status, answer.data["status"]) == (200, "verified")
    asked = site.ask()
    approved = site.approve(device.get(asked["options"], **members))
    assert (approved.status, approved.data["status"]) == (200, "approved")


@pytest.mark.parametrize("form", ["android-safetynet", "compound", "apple-2027", ""])
def test_an_attestation_of_any_format_counts_as_none(site, form):
    device, made = Authenticator(), site.enrol()
    added = {"fmt": form, "attStmt": {"alg": -7, "x5c": [b"no certificate"]}}
    credential = device.create(made["options"], attestation=added)
    assert site.post("VerifyFactor", credential).data["status"] == "verified"


@pytest.mark.parametrize("bits", [2048, 4096])
def test_a_key_of_windows_hello(site, bits):
    device = site.enrolled(RsaAuthenticator(bits))
    asked = site.ask()
    forged = RsaAuthenticator(bits, like=device)
    refused(site.approve(forged.get(asked["options"])), 400, 60381)
    assert site.approve(device.get(site.ask()["options"])).data["status"] == "approved"


@pytest.mark.parametrize("name", BAD_REGISTRATIONS)
def test_a_wrong_registration_is_refused_and_used_up(site, name):
    make, code = BAD_REGISTRATIONS[name]
    device, made = Authenticator(), site.enrol()
    credential = make(device, made["options"])
    refused(site.post("VerifyFactor", credential), 400, code)
    used = Factor.objects.get()
    assert used.status == "unverified"
    if used.failures:  # a rawId that is not the id is seen before the registration is
        refused(site.post("VerifyFactor", device.create(made["options"])), 400, 60383)
    else:
        assert code == 60376


@pytest.mark.parametrize("name", MALFORMED_REGISTRATIONS)
def test_a_malformed_registration_leaves_it_open(site, name):
    path, value, code = MALFORMED_REGISTRATIONS[name]
    device, made = Authenticator(), site.enrol()
    bad = edited(device.create(made["options"]), path, value)
    refused(site.post("VerifyFactor", bad), 404 if code == 60390 else 400, code)
    assert site.post("VerifyFactor", device.create(made["options"])).status == 200


def test_a_credential_id_has_at_most_1023_bytes(site):
    assert site.enrolled(Authenticator(id=b"x" * 1023))
    credential = Authenticator(id=b"y" * 1024).create(site.enrol()["options"])
    del credential["id"], credential["rawId"]
    refused(site.post("VerifyFactor", credential), 400, 60375)


def test_another_services_registration_is_not_found(site, api, account):
    other = Site(api, make_service(account, **SETTINGS))
    credential = Authenticator().create(other.enrol()["options"])
    refused(site.post("VerifyFactor", credential), 404, 60390)
    assert other.post("VerifyFactor", credential).status == 200


def test_a_registration_lives_ten_minutes_and_makes_room(site, clock):
    credential = Authenticator().create(site.enrol()["options"])
    clock.shift(600)
    refused(site.post("VerifyFactor", credential), 400, 60383)
    for _ in range(20):
        assert site.enrol()["status"] == "unverified"
    assert Factor.objects.count() == 20
    full = site.post("Factors", {"friendly_name": "x", "identity": WHO})
    refused(full, 400, 60315)
    clock.shift(600)
    assert site.enrol()["status"] == "unverified"
    assert Factor.objects.count() == 1


def test_origins_may_lack_a_scheme_or_be_an_app(site):
    site.enrolled(Authenticator(origin="https://app.example.com"))
    app = "android:apk-key-hash:R0xBU1NfQVBLX0tFWV9IQVNI"
    party = {**PARTY, "origins": [app, "https://Example.com/"]}
    site.enrolled(Authenticator(origin=app), relying_party=party)
    site.enrolled(Authenticator(origin="https://example.com"), relying_party=party)


def test_any_caller_the_browser_finds(site, service, clock):
    listen(service, "challenge.approved")
    heard = []

    def note(challenge, **_):
        heard.append(challenge.sid)

    signals.challenge_approved.connect(note)
    device, asked = site.enrolled(), site.ask()
    url = f"http://testserver/v2/{site.root}/Passkeys/"
    assert asked == {
        "sid": asked["sid"],
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_sid": "",
        "identity": "",
        "factor_sid": "",
        "factor_type": "passkeys",
        "status": "pending",
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "date_responded": None,
        "details": None,
        "expiration_date": None,
        "hidden_details": None,
        "links": None,
        "metadata": None,
        "responded_reason": "none",
        "url": f"{url}Challenges",
        "options": {
            "publicKey": {
                "challenge": b64(asked["sid"].encode()),
                "timeout": 300000,
                "rpId": "example.com",
                "allowCredentials": [],
                "userVerification": "required",
            }
        },
    }
    clock.shift(2)
    approved = site.approve(device.get(asked["options"])).data
    signals.challenge_approved.disconnect(note)
    assert approved == {
        **asked,
        "entity_sid": device.factor["entity_sid"],
        "identity": WHO,
        "factor_sid": device.factor["sid"],
        "status": "approved",
        "date_responded": "2026-03-01T12:00:02Z",
        "date_updated": "2026-03-01T12:00:02Z",
        "url": f"{url}ApproveChallenge",
    }
    assert heard == [asked["sid"]]
    ((name, event),) = received()
    assert (name, event["factor_sid"]) == ("challenge.approved", device.factor["sid"])
    listed = site.api.get(f"{site.root}/Entities/{WHO}/Challenges").data["challenges"]
    assert [(row["sid"], row["status"], row["links"]) for row in listed] == [
        (asked["sid"], "approved", None)
    ]
    assert listed[0]["expiration_date"] == "2026-03-01T12:05:00Z"


def test_the_passkeys_of_an_entity_or_one_of_them(site):
    first, second = site.enrolled(), site.enrolled()
    asked = site.ask(identity=WHO.lower())
    assert (asked["identity"], asked["factor_sid"]) == (WHO, "")
    allowed = asked["options"]["publicKey"]["allowCredentials"]
    assert {item["id"] for item in allowed} == {b64(first.id), b64(second.id)}
    assert all(set(item) == {"id", "type", "transports"} for item in allowed)
    assert site.approve(first.get(asked["options"])).data["factor_sid"] == first.factor["sid"]
    asked = site.ask(identity=WHO, factor_sid=first.factor["sid"])
    assert asked["factor_sid"] == first.factor["sid"]
    (only,) = asked["options"]["publicKey"]["allowCredentials"]
    assert only["id"] == b64(first.id)
    refused(site.approve(second.get(asked["options"])), 404, 60390)
    asked = site.ask(factor_sid=second.factor["sid"])
    assert asked["identity"] == WHO
    # Browsers give no user handle for a credential that was named, and the web SDK sends "".
    nameless = edited(second.get(asked["options"]), "response.userHandle", "")
    assert site.approve(nameless).data["status"] == "approved"


def test_whom_a_challenge_may_name(site, api, account):
    refused(site.post("Challenges", {"identity": "nobody-here"}), 404, 60392)
    refused(site.post("Challenges", {"identity": "a b"}), 404, 60392)
    refused(site.post("Challenges", {"identity": 5}), 400, 60367)
    for sid in ("x", ["x"], 5, 5.8e16, True, {"x": 1}):
        refused(site.post("Challenges", {"factor_sid": sid}), 400, 60362)
    new = site.enrol()
    unverified = {"identity": WHO, "factor_sid": new["sid"]}
    refused(site.post("Challenges", {"identity": WHO}), 403, 60318)
    refused(site.post("Challenges", unverified), 403, 60318)
    device = site.enrolled()
    site.enrol("somebody-else")
    theirs = {"identity": "somebody-else", "factor_sid": device.factor["sid"]}
    refused(site.post("Challenges", theirs), 404, 60390)
    other = Site(api, make_service(account, **SETTINGS))
    refused(other.post("Challenges", {"factor_sid": device.factor["sid"]}), 404, 60390)
    Factor.objects.filter(entity__identity="somebody-else").delete()
    refused(site.post("Challenges", {"identity": "somebody-else"}), 404, 60390)


# Of a discoverable challenge; the browser asks the user, so the device is verified.
BAD_ASSERTIONS = {
    "type": (lambda d, o: d.get(o, type="webauthn.create"), 400, 60380),
    "origin": (lambda d, o: d.get(o, origin="https://evil.example"), 400, 60380),
    "cross origin": (lambda d, o: d.get(o, crossOrigin=True), 400, 60380),
    "top origin": (lambda d, o: d.get(o, topOrigin="https://example.com"), 400, 60380),
    "relying party": (lambda d, o: d.get(o, rp_id="evil.example"), 400, 60379),
    "no user": (lambda d, o: d.get(o, flags=UV), 400, 60379),
    "not verified": (lambda d, o: d.get(o, flags=UP), 400, 60379),
    "eligibility": (lambda d, o: d.get(o, flags=UP | UV | BE), 400, 60379),
    "short data": (lambda d, o: edited(d.get(o), "response.authenticatorData", "AAAA"), 400, 60379),
    "long data": (
        lambda d, o: edited(d.get(o), "response.authenticatorData", "A" * 8000),
        400,
        60379,
    ),
    "signature": (lambda d, o: edited(d.get(o), "response.signature", "AAAA"), 400, 60381),
    "another key": (lambda d, o: edited_key(d).get(o), 400, 60381),
    "unknown credential": (lambda d, o: Authenticator().get(o), 404, 60390),
    "no handle": (lambda d, o: edited(d.get(o), "response.userHandle", None), 400, 60365),
    "empty handle": (lambda d, o: edited(d.get(o), "response.userHandle", ""), 400, 60365),
    "another handle": (
        lambda d, o: edited(d.get(o), "response.userHandle", b64(b"YE" + b"0" * 32)),
        400,
        60365,
    ),
}
MALFORMED_ASSERTIONS = {
    "no id": ("id", None, 60375),
    "raw id": ("rawId", "AAAA", 60376),
    "attachment": ("authenticatorAttachment", 1, 60377),
    "response": ("response", [], 60378),
    "no data": ("response.authenticatorData", None, 60379),
    "no signature": ("response.signature", None, 60381),
    "long signature": ("response.signature", "A" * 8000, 60381),
    "signature base64": ("response.signature", "?", 60381),
    "no client data": ("response.clientDataJSON", None, 60380),
    "long handle": ("response.userHandle", "A" * 8000, 60365),
    "challenge": ("response.clientDataJSON", b64(b'{"challenge": "AAAA"}'), 60380),
    "a registration": (
        "response.clientDataJSON",
        b64(json.dumps({"challenge": b64(b"YF" + b"0" * 32)}).encode()),
        60380,
    ),
    "unknown challenge": (
        "response.clientDataJSON",
        b64(json.dumps({"challenge": b64(b"YC" + b"0" * 32)}).encode()),
        60391,
    ),
}


def edited_key(device):
    """The same credential, as a person has it who does not have its key."""
    device.key = ec.generate_private_key(ec.SECP256R1())
    return device


@pytest.mark.parametrize("name", BAD_ASSERTIONS)
def test_a_wrong_assertion_is_refused_and_used_up(site, name):
    make, status, code = BAD_ASSERTIONS[name]
    device, asked = site.enrolled(), site.ask()
    right = device.get(asked["options"])
    refused(site.approve(make(device, asked["options"])), status, code)
    refused(site.approve(right), 429, 60308)
    assert Challenge.objects.get().status == "pending"


@pytest.mark.parametrize("name", MALFORMED_ASSERTIONS)
def test_a_malformed_assertion_leaves_the_challenge_open(site, name):
    path, value, code = MALFORMED_ASSERTIONS[name]
    device, asked = site.enrolled(), site.ask()
    bad = edited(device.get(asked["options"]), path, value)
    refused(site.approve(bad), 404 if code == 60391 else 400, code)
    assert site.approve(device.get(asked["options"])).status == 200


def test_an_assertion_works_once(site):
    device, asked = site.enrolled(), site.ask()
    credential = device.get(asked["options"])
    assert site.approve(credential).status == 200
    refused(site.approve(credential), 403, 60322)


def test_a_challenge_lives_five_minutes(site, clock):
    device, asked = site.enrolled(), site.ask()
    clock.shift(300)
    refused(site.approve(device.get(asked["options"])), 403, 60323)
    path = f"{site.root}/Entities/{WHO}/Challenges"
    assert site.ask(identity=WHO)["status"] == "pending"
    assert [row["status"] for row in site.api.get(path).data["challenges"]] == ["pending"]


def test_another_entitys_or_services_passkey(site, api, account):
    device, stranger = site.enrolled(), site.enrolled(identity="somebody-else")
    asked = site.ask(identity=WHO)
    refused(site.approve(stranger.get(asked["options"])), 404, 60390)
    other = Site(api, make_service(account, **SETTINGS))
    refused(other.approve(device.get(site.ask()["options"])), 404, 60391)
    refused(other.approve(device.get(other.ask()["options"])), 404, 60390)


def test_the_counter_must_grow_once_it_was_seen(site):
    device = site.enrolled(Authenticator(count=5))
    for count, status in [(5, 403), (4, 403), (0, 403), (6, 200), (6, 403), (900, 200)]:
        device.count = count
        answer = site.approve(device.get(site.ask()["options"]))
        assert answer.status == status, count
        if status == 403:
            assert answer.data["code"] == 60324
    assert Factor.objects.get().sign_count == 900


def test_a_synced_passkey_counts_nothing_and_reports_its_backup(site):
    device = site.enrolled(Authenticator(flags=UP | UV | BE))
    device.flags |= BS
    for _ in range(2):
        assert site.approve(device.get(site.ask()["options"])).status == 200
    row = Factor.objects.get()
    assert (row.sign_count, row.binding["backed_up"]) == (0, True)


def test_another_relying_party_of_the_same_service(site):
    other = {**PARTY, "id": "other.com", "origins": ["https://other.com"]}
    device = Authenticator("other.com", "https://other.com")
    site.enrolled(device, relying_party=other)
    refused(site.approve(device.get(site.ask()["options"])), 400, 60382)
    asked = site.ask(identity=WHO)
    assert asked["options"]["publicKey"]["rpId"] == "other.com"
    assert site.approve(device.get(asked["options"])).status == 200
    mine = site.enrolled()
    (allowed,) = site.ask(identity=WHO)["options"]["publicKey"]["allowCredentials"]
    assert allowed["id"] == b64(mine.id)


def test_a_site_may_move_to_another_origin(site, service):
    device = site.enrolled()
    device.origin = "https://new.example.com"
    refused(site.approve(device.get(site.ask()["options"])), 400, 60380)
    type(service).objects.update(passkeys_relying_party_origins="new.example.com")
    assert site.approve(device.get(site.ask()["options"])).status == 200


@pytest.mark.parametrize("policy", ["preferred", "discouraged"])
def test_a_user_need_not_be_verified_where_nobody_requires_it(site, service, policy):
    type(service).objects.update(passkeys_user_verification=policy)
    device = site.enrolled(Authenticator(flags=UP))
    asked = site.ask()
    assert asked["options"]["publicKey"]["userVerification"] == policy
    assert site.approve(device.get(asked["options"])).status == 200


def test_the_policy_of_the_question_counts_as_well(site, service):
    device = site.enrolled(Authenticator(flags=UP), user_verification="preferred")
    type(service).objects.update(passkeys_user_verification="required")
    refused(site.approve(device.get(site.ask()["options"])), 400, 60379)
    asked = site.ask()["options"]
    assert site.approve(device.get(asked, flags=UP | UV)).status == 200


def test_a_handle_of_another_else_where_the_owner_is_named(site):
    device, other = site.enrolled(), site.enrolled(identity="user-0002")
    answer = device.get(site.ask(identity=WHO)["options"])
    answer["response"]["userHandle"] = b64(other.user_handle)
    refused(site.approve(answer), 400, 60365)


def test_a_deleted_passkey_approves_nothing(site):
    device, asked = site.enrolled(), site.ask()
    named = site.ask(factor_sid=device.factor["sid"])
    path = f"{site.root}/Entities/{WHO}/Factors/{device.factor['sid']}"
    assert site.api.delete(path).status == 204
    refused(site.approve(device.get(asked["options"])), 404, 60390)
    refused(site.approve(device.get(named["options"])), 404, 60391)


def test_a_passkey_deleted_at_the_last_moment(site, monkeypatch):
    device, asked, settle = site.enrolled(), site.ask(), verbs.settle

    def too_late(*args):
        Entity.objects.all().delete()
        return settle(*args)

    monkeypatch.setattr(verbs, "settle", too_late)
    refused(site.approve(device.get(asked["options"])), 404, 60390)


def test_nothing_else_makes_or_answers_a_passkey(site):
    device, asked = site.enrolled(), site.ask(identity=WHO)
    root = f"{site.root}/Entities/{WHO}"
    form = {"FriendlyName": "x", "FactorType": "passkeys"}
    refused(site.api.post(f"{root}/Factors", form), 400, 60369)
    refused(site.api.post(f"{root}/Challenges", {"FactorSid": device.factor["sid"]}), 400, 60306)
    payload = {"AuthPayload": "123456"}
    refused(site.api.post(f"{root}/Challenges/{asked['sid']}", payload), 400, 60306)
    named = site.ask(factor_sid=device.factor["sid"])
    refused(site.api.post(f"{root}/Challenges/{named['sid']}", payload), 400, 60306)
    factor = f"{root}/Factors/{device.factor['sid']}"
    refused(site.api.post(factor, payload), 400, 60306)
    renamed = site.api.post(factor, {"FriendlyName": "Laptop", "Config.Skew": "0"}).data
    assert (renamed["friendly_name"], renamed["config"]) == ("Laptop", device.factor["config"])


def test_without_the_extra(site, monkeypatch):
    monkeypatch.setattr(passkeys, "installed", lambda *names: False)
    body = {"friendly_name": "x", "identity": WHO}
    for operation, sent in {"Factors": body, "Challenges": {}}.items():
        assert "extra `passkeys`" in refused(site.post(operation, sent), 403, 60204)
    credential = Authenticator().credential(
        attestationObject="AA", clientDataJSON="AA", authenticatorData="AA", signature="AA"
    )
    for operation in ("VerifyFactor", "ApproveChallenge"):
        refused(site.post(operation, credential), 403, 60204)


def test_the_api_is_imported_without_the_extra():
    code = (
        "import sys; sys.modules['webauthn'] = None\n"
        "import django; django.setup()\n"
        "import django_verify.api.urls, django_verify.factors.passkeys"
    )
    env = {"DJANGO_SETTINGS_MODULE": "tests.bare", "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def test_one_assertion_approves_once_at_one_moment(site, api, aligned):
    device, asked = site.enrolled(Authenticator(count=1)), site.ask()
    device.count = 2
    credential = device.get(asked["options"])
    sites = [Site(Api(*credentials(api)), site.service) for _ in range(THREADS)]
    answers = aligned([lambda s=s: s.approve(credential) for s in sites])
    codes = [answer.data.get("code", 200) for answer in answers]
    assert codes.count(200) == 1
    assert set(codes) <= {200, 60308, 60322}
    assert Factor.objects.get().sign_count == 2


def test_of_two_answers_with_one_count_one_approves(site, api, aligned):
    """As a copy of the key would: different challenges, one counter."""
    device = site.enrolled(Authenticator(count=1))
    device.count = 2
    given = [device.get(site.ask()["options"]) for _ in range(10)]
    sites = [Site(Api(*credentials(api)), site.service) for _ in given]
    calls = [lambda s=s, c=c: s.approve(c) for s, c in zip(sites, given, strict=True)]
    codes = [answer.data.get("code", 200) for answer in aligned(calls)]
    assert sorted(codes) == [200] + [60324] * 9


def test_one_registration_verifies_once_at_one_moment(site, api, aligned):
    credential = Authenticator().create(site.enrol()["options"])
    sites = [Site(Api(*credentials(api)), site.service) for _ in range(20)]
    answers = aligned([lambda s=s: s.post("VerifyFactor", credential) for s in sites])
    codes = [answer.data.get("code", 200) for answer in answers]
    assert sorted(codes) == [200] + [60383] * 19


def credentials(api):
    """The name and the secret of a caller."""
    pair = base64.b64decode(api.headers["authorization"].removeprefix("Basic ")).decode()
    return pair.split(":")


def test_plain_json_over_a_live_server(live_server, account, service):
    api = Api(account.sid, account.token)

    def post(operation, body):
        request = urllib.request.Request(
            f"{live_server.url}/v2/Services/{service.sid}/Passkeys/{operation}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json; charset=utf-8", **api.headers},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    device = Authenticator()
    made = post("Factors", {"friendly_name": "Phone", "identity": WHO})
    assert post("VerifyFactor", device.create(made["options"]))["status"] == "verified"
    credential = device.get(post("Challenges", {})["options"])
    assert post("ApproveChallenge", credential)["identity"] == WHO
    with pytest.raises(urllib.error.HTTPError) as refusal:
        post("ApproveChallenge", credential)
    assert json.load(refusal.value)["code"] == 60322
