"""App Attest after the first request: a kept key, its assertions, and a counter that only grows."""

import base64
import datetime as dt
import hashlib
import time

import cbor2
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.management import call_command
from django.utils import timezone

from django_verify.exceptions import GateRefused
from django_verify.gates import admission, app_attest
from django_verify.models import DeviceKey, SpentToken
from tests.conftest import ROUNDS
from tests.gates.attestations import APP, Device, apple, base64url, digest
from tests.gates.conftest import backend

pytestmark = pytest.mark.django_db(transaction=True)
SUBJECT = "+49 151 23456789"
OPTIONS = {"app_id": APP, "root": apple().pem}


@pytest.fixture(autouse=True)
def gate(settings):
    settings.DJANGO_VERIFY = {
        "BOT_PROTECTION": {"BACKEND": backend("app_attest"), "OPTIONS": OPTIONS}
    }


def admit(token, *, action="start", subject=SUBJECT):
    admission.admit(token, remote_ip="203.0.113.7", action=action, subject=subject)


def reason(token, **values):
    with pytest.raises(GateRefused) as caught:
        admit(token, **values)
    return caught.value.reason


class Phone:
    """An installation: its key is attested when it is made, and signs after that."""

    def __init__(self, **values):
        self.device = Device(**values)
        self.count = 0
        self.attestation = self.device.token()

    @classmethod
    def known(cls, **values):
        phone = cls(**values)
        admit(phone.attestation)
        return phone

    def assertion(self, *, key=None, app=None, counter=None, moment=None, subject=SUBJECT, **more):
        """The next assertion; whatever is in it may be received otherwise."""
        self.count += 1
        count = self.count if counter is None else counter
        moment = int(time.time()) if moment is None else moment
        app = self.device.app if app is None else app
        data = hashlib.sha256(app.encode()).digest() + b"\x40" + count.to_bytes(4)
        asked = digest(more.pop("action", "start"), subject, moment)
        nonce = hashlib.sha256(data + asked).digest()
        signer = ec.generate_private_key(ec.SECP256R1()) if key else self.device.key
        signature = signer.sign(nonce, ec.ECDSA(SHA256()))
        statement = {"signature": signature, "authenticatorData": data} | more
        return f"1.{moment}.{base64url(self.device.key_id)}.{base64url(cbor2.dumps(statement))}"


def row():
    return DeviceKey.objects.get()


def test_an_attested_key_is_kept_and_its_assertions_pass():
    phone = Phone.known()
    kept = row()
    assert kept.counter == 0
    assert hashlib.sha256(bytes(kept.public_key)).digest() == phone.device.hash
    assert phone.device.hash.hex() not in kept.key
    for count in (1, 2, 3):
        admit(phone.assertion())
        assert row().counter == count
    admit(phone.assertion(counter=2**32 - 1))
    assert row().counter == 2**32 - 1
    assert not SpentToken.objects.exists()


def test_a_key_is_attested_once():
    phone = Phone.known()
    assert reason(phone.attestation) == "used"
    again = Device(subject=SUBJECT)
    again.key, again.hash, again.key_id = phone.device.key, phone.device.hash, phone.device.key_id
    assert reason(again.token()) == "used"
    assert DeviceKey.objects.count() == 1


def test_an_assertion_works_once_and_an_overtaken_one_not_at_all():
    phone = Phone.known()
    first, second = phone.assertion(), phone.assertion()
    admit(second)
    assert [reason(first), reason(second)] == ["used", "used"]
    assert row().counter == 2
    admit(phone.assertion())


def test_a_key_that_was_never_attested_is_unknown():
    assert reason(Phone().assertion()) == "unknown_key"


def test_a_revoked_key_is_unknown_and_another_is_attested():
    phone = Phone.known()
    row().delete()
    assert reason(phone.assertion()) == "unknown_key"
    admit(Phone.known().assertion())


@pytest.mark.parametrize(
    ("made", "asked", "found"),
    [
        ({"subject": "+49 151 23456780"}, {}, "wrong_subject"),
        ({"action": "resend"}, {}, "wrong_subject"),
        ({}, {"action": "resend"}, "wrong_subject"),
        ({}, {"subject": "+4915123456789"}, "wrong_subject"),
        ({"key": "another"}, {}, "wrong_subject"),
        ({"signature": b""}, {}, "wrong_subject"),
        ({"signature": b"\x30\x06\x02\x01\x00\x02\x01\x00"}, {}, "wrong_subject"),
        ({"app": "ABCDE12345.com.example.other"}, {}, "wrong_app"),
        ({"counter": 0}, {}, "used"),
        ({"signature": "text"}, {}, "invalid"),
        ({"signature": None}, {}, "invalid"),
        ({"authenticatorData": None}, {}, "invalid"),
        ({"authenticatorData": b""}, {}, "invalid"),
        ({"authenticatorData": bytes(36)}, {}, "invalid"),
        ({"moment": 1_500_000_000}, {}, "expired"),
    ],
    ids=str,
)
def test_an_assertion_of_something_else_is_refused(made, asked, found):
    phone = Phone.known()
    assert reason(phone.assertion(**made), **asked) == found
    assert row().counter == 0
    admit(phone.assertion())


def test_another_members_counter_cannot_be_signed_for():
    """Data that say a higher counter than was signed."""
    phone = Phone.known()
    data = hashlib.sha256(APP.encode()).digest() + b"\x40" + (99).to_bytes(4)
    assert reason(phone.assertion(authenticatorData=data)) == "wrong_subject"
    assert row().counter == 0


@pytest.mark.parametrize(
    ("age", "found"), [(-59, None), (-62, "expired"), (299, None), (302, "expired")]
)
def test_an_assertion_is_fresh_for_five_minutes(age, found):
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        phone = Phone.known()
        token = phone.assertion(moment=int(now.timestamp()) - age)
        assert (admit(token) if found is None else reason(token)) == found


def test_a_key_counts_in_one_environment_and_one_app(settings):
    phone = Phone.known()
    for change in ({"environment": "development"}, {"app_id": "ABCDE12345.com.example.other"}):
        options = OPTIONS | change
        settings.DJANGO_VERIFY = {
            "BOT_PROTECTION": {"BACKEND": backend("app_attest"), "OPTIONS": options}
        }
        app = options["app_id"]
        assert reason(phone.assertion(app=app)) == "unknown_key"


def test_behind_a_choice_the_key_is_the_same(settings):
    phone = Phone.known()
    entry = {"BACKEND": backend("app_attest"), "OPTIONS": OPTIONS}
    for name in ("ios", "renamed"):
        options = {"gates": {name: entry}}
        settings.DJANGO_VERIFY = {
            "BOT_PROTECTION": {"BACKEND": backend("choice"), "OPTIONS": options}
        }
        admit(f"{name}:{phone.assertion()}")
    assert row().counter == 2


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_fifty_with_one_assertion_one_is_let_in(aligned, round_):
    token = Phone.known().assertion()

    def enter():
        try:
            admit(token)
        except GateRefused as error:
            return error.reason
        return "in"

    assert sorted(aligned([enter] * 50)) == ["in", *["used"] * 49]
    assert row().counter == 1


def test_of_fifty_with_one_attestation_one_is_let_in(aligned):
    token = Phone().attestation

    def enter():
        try:
            admit(token)
        except GateRefused as error:
            return error.reason
        return "in"

    assert sorted(aligned([enter] * 50)) == ["in", *["used"] * 49]
    assert DeviceKey.objects.count() == 1


def test_the_counter_never_falls(aligned):
    phone = Phone.known()
    tokens = [phone.assertion() for _ in range(20)]

    def enter(token):
        def run():
            try:
                admit(token)
            except GateRefused as error:
                return error.reason
            return "in"

        return run

    outcomes = aligned([enter(token) for token in tokens])
    assert set(outcomes) <= {"in", "used"}
    assert outcomes[-1] == "in"
    assert row().counter == 20


def test_an_assertion_that_apples_hardware_might_make_is_read_as_documented():
    """Signed over the digest of data and client data, which ECDSA digests once more."""
    phone = Phone.known()
    version, moment, _, statement = phone.assertion().split(".")
    plain = base64.b64encode(base64.urlsafe_b64decode(statement + "=" * (-len(statement) % 4)))
    admit(
        ".".join([version, moment, base64.b64encode(phone.device.key_id).decode(), plain.decode()])
    )


def test_a_kept_key_that_is_none_verifies_nothing():
    asserted = app_attest._Asserted("id", 1, bytes(32), b"")
    assert not asserted.is_signed_by(b"\x04" + bytes(64))
    assert not asserted.is_signed_by(b"")


def test_nothing_of_a_key_is_shown():
    phone = Phone.known()
    gate = app_attest.AppAttestGate(**OPTIONS)
    for token in (Phone().attestation, phone.assertion()):
        result = gate.verify(token, remote_ip="", action="start", subject=SUBJECT)
        assert phone.device.hash.hex() not in repr(result)
        assert "04" * 8 not in repr(result)


def test_keys_that_are_not_used_for_long_are_deleted(capsys):
    Phone.known()
    used, unused = Phone.known(), Phone.known()
    long_ago = timezone.now() - dt.timedelta(days=400, hours=1)
    DeviceKey.objects.update(date_created=long_ago, used_at=long_ago)
    admit(used.assertion())
    fresh = Phone.known()
    call_command("purgeverifications")
    assert "device keys older than 400 days: 2 deleted\n" in capsys.readouterr().out
    for phone in (used, fresh):
        admit(phone.assertion())
    assert reason(unused.assertion()) == "unknown_key"


def test_the_admin_lists_and_revokes(admin_client):
    Phone.known()
    key = row().key
    page = admin_client.get("/admin/django_verify/devicekey/").content.decode()
    assert f">{key[:12]}<" in page
    assert admin_client.get("/admin/django_verify/devicekey/add/").status_code == 403
    found = admin_client.get("/admin/django_verify/devicekey/", {"q": key[:8]}).content.decode()
    assert key[:12] in found
    missing = admin_client.get("/admin/django_verify/devicekey/", {"q": "zzz"}).content.decode()
    assert key[:12] not in missing
    admin_client.post(f"/admin/django_verify/devicekey/{key}/delete/", {"post": "yes"})
    assert not DeviceKey.objects.exists()
