"""The emulator as a program: driven by the official SDK, steered over HTTP, by its options."""

import datetime as dt
import itertools
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyotp
import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from django_verify.emulator.options import ACCOUNT_SID, AUTH_TOKEN, SERVICE_SID
from tests.conftest import PATIENCE
from tests.emulator.conftest import ROOT, command, running

NUMBERS = (f"+1415555{number:04d}" for number in itertools.count(1000))


def client_of(emulator, *credentials, prefix=""):
    # The environment of the tests may name a region, which the SDK puts into any host.
    client = Client(
        *(credentials or (emulator.account_sid, emulator.auth_token)),
        environment={"TWILIO_REGION": ""},
    )
    client.verify.base_url = emulator.base_url + prefix
    return client


def scope_of(emulator, *credentials, service=SERVICE_SID, **options):
    return client_of(emulator, *credentials, **options).verify.v2.services(service)


@pytest.fixture
def number():
    return next(NUMBERS)


def refused(call, *args, **kwargs):
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **kwargs)
    return caught.value.status


def test_the_facts_that_are_printed(emulator):
    assert (emulator.account_sid, emulator.auth_token) == (ACCOUNT_SID, AUTH_TOKEN)
    assert emulator.service_sid == SERVICE_SID
    assert emulator.base_url.startswith("http://127.0.0.1:")
    assert emulator.inbox_url == f"{emulator.base_url}/emulator/"


def test_services_and_verifications(emulator, number):
    services = client_of(emulator).verify.v2.services
    made = services.create(friendly_name="Shop", code_length=8)
    scope = services(made.sid)
    assert made.url == f"{emulator.base_url}/v2/Services/{made.sid}"
    started = scope.verifications.create(to=number, channel="sms")
    assert started.status == "pending"
    assert scope.verification_checks.create(to=number, code="123457").status == "pending"
    assert scope.verification_checks.create(to=number, code="123456").status == "approved"
    assert refused(scope.verifications(started.sid).fetch) == 404
    other = scope.verifications.create(to=number, channel="call")
    assert scope.verifications(other.sid).update(status="canceled").status == "canceled"
    assert made.sid in {service.sid for service in services.list()}
    assert scope.delete()
    assert refused(scope.fetch) == 404


def test_look_ups(emulator, number):
    client = client_of(emulator, "AC" + "7" * 32, "any token")
    client.lookups.base_url = emulator.base_url
    assert client.lookups.v1.phone_numbers(number).fetch().country_code == "US"
    assert client.lookups.v2.phone_numbers(number).fetch().valid is True


def test_authenticator_apps(emulator):
    entity = scope_of(emulator).entities("user-0001")
    made = entity.new_factors.create(friendly_name="Phone", factor_type="totp")
    totp = pyotp.TOTP(made.binding["secret"])
    now = dt.datetime.now(dt.UTC)
    assert entity.factors(made.sid).update(auth_payload=totp.at(now)).status == "verified"
    later = now + dt.timedelta(hours=2)
    emulator.call("POST", "/emulator/clock", json={"to": later.isoformat()})
    challenge = entity.challenges.create(factor_sid=made.sid, auth_payload=totp.at(later))
    assert challenge.status == "approved"
    again = entity.challenges.create(factor_sid=made.sid, auth_payload=totp.at(later))
    assert again.status == "pending"


def test_the_inbox(emulator, number):
    scope = scope_of(emulator)
    started = scope.verifications.create(to=number, channel="sms")
    scope.verifications.create(to="anna@example.com", channel="email")
    (text,) = emulator.call("GET", "/emulator/messages", params={"to": number}).json()["messages"]
    assert set(text) == {"channel", "to", "body", "code", "subject", "attempt_sid", "time"}
    assert text["attempt_sid"] == started.send_code_attempts[0]["attempt_sid"]
    assert (text["to"], text["code"]) == (number, "123456")
    assert "123456" in text["body"]
    both = emulator.call("GET", "/emulator/messages").json()["messages"]
    assert [message["channel"] for message in both] == ["email", "sms"]
    assert emulator.call("GET", f"/emulator/messages?to={number}").json()["messages"] == [text]
    page = emulator.call("GET", "/")
    assert page.url == emulator.inbox_url
    assert 'http-equiv="refresh"' in page.text
    assert number in page.text
    assert page.headers["Content-Security-Policy"] == "default-src 'self'"
    assert emulator.call("GET", "/emulator/inbox.css").headers["Content-Type"] == "text/css"
    assert emulator.call("DELETE", "/emulator/messages").status_code == 204
    assert emulator.call("GET", "/emulator/messages").json() == {"messages": []}
    assert "No message" in emulator.call("GET", "/emulator/").text


def test_a_code_that_the_caller_chose(emulator, number):
    service = client_of(emulator).verify.v2.services.create("Own", custom_code_enabled=True)
    scope = scope_of(emulator, service=service.sid)
    scope.verifications.create(to=number, channel="sms", custom_code="987654")
    assert scope.verification_checks.create(to=number, code="123456").status == "pending"
    look_up = {"To": number, "ServiceSid": service.sid}
    found = emulator.call("GET", "/_twilio/simulate/verification-code", params=look_up).json()
    assert found["code"] == "987654"
    assert scope.verification_checks.create(to=number, code="987654").status == "approved"


def test_what_moves_over_from_another_emulator(emulator):
    """Its defaults, its prefix, its look-up of a code, and its numbers, which no plan has."""
    scope = scope_of(emulator, ACCOUNT_SID, "twilio_test_auth_token", prefix="/verify")
    started = scope.verifications.create(to="+15550005555", channel="sms")
    assert "/verify/v2/Services/" in started.url
    path = "/_twilio/simulate/verification-code"
    for query in (
        {"To": "+15550005555", "ServiceSid": SERVICE_SID},
        {"VerificationSid": started.sid},
    ):
        found = emulator.call("GET", path, params=query).json()
        assert (found["code"], found["status"], found["attempts"]) == ("123456", "pending", 0)
        assert found["verification_sid"] == started.sid
    assert scope.verification_checks.create(to="+15550005555", code="123456").valid
    assert emulator.call("GET", path + "?To=+15550005555").json()["status"] == "approved"
    unknown = emulator.call("GET", path + "?To=+15550005556")
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])
    assert emulator.call("GET", path).status_code == 400


def test_the_latest_code_once_the_clock_was_moved_back(emulator, number):
    scope = scope_of(emulator)
    emulator.call("POST", "/emulator/clock", json={"shift": 3600})
    scope.verifications.create(to=number, channel="sms")
    assert scope.verification_checks.create(to=number, code="123456").valid
    emulator.call("DELETE", "/emulator/clock")
    latest = scope.verifications.create(to=number, channel="sms")
    found = emulator.call(
        "GET", "/_twilio/simulate/verification-code", params={"To": number}
    ).json()
    assert (found["verification_sid"], found["status"]) == (latest.sid, "pending")


def test_anyone_is_let_in_and_services_are_made_on_first_use(emulator, number):
    account, service = "AC" + 32 * "a", "VA" + 32 * "b"
    scope = scope_of(emulator, account, "any token", service=service)
    started = scope.verifications.create(to=number, channel="sms")
    assert (started.account_sid, started.service_sid) == (account, service)
    assert scope_of(emulator, "SK" + 32 * "c", "any", service=service).fetch().sid == service
    assert scope.delete()
    assert refused(scope.fetch) == 404
    assert requests.get(f"{emulator.base_url}/v2/Services", timeout=PATIENCE).status_code == 401
    for header in ("Bearer x", "Basic %", "Basic " + "=" * 3):
        headers = {"Authorization": header}
        answer = requests.get(f"{emulator.base_url}/v2/Services", headers=headers, timeout=PATIENCE)
        assert answer.status_code == 401


def test_time(emulator, number):
    scope = scope_of(emulator)
    scope.verifications.create(to=number, channel="sms")
    moved = emulator.call("POST", "/emulator/clock", data={"shift": 601}).json()
    assert moved["offset"] == 601
    assert refused(scope.verification_checks.create, to=number, code="123456") == 404
    assert emulator.call("DELETE", "/emulator/clock").json()["offset"] == 0
    assert emulator.call("GET", "/emulator/clock").json()["now"].endswith("Z")
    for wrong in ({}, {"shift": "soon"}, {"to": "2026-07-01T12:00:00"}, {"shift": 1e300}):
        answer = emulator.call("POST", "/emulator/clock", json=wrong)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"]
    for body in ("[]", "{"):
        headers = {"Content-Type": "application/json"}
        answer = emulator.call("POST", "/emulator/clock", data=body, headers=headers)
        assert answer.status_code == 400


def test_what_cannot_be_read_changes_nothing(emulator, number):
    for path, wrong in (
        ("clock", {"to": "2026-13-40T00:00:00Z"}),
        ("clock", {"to": "9999-12-31T23:59:59Z"}),
        ("clock", {"shift": -4e9}),
        ("clock", {"shift": "nan"}),
        ("reports", {"always": "delivered", "after": 1e300}),
        ("reports", {"to": number, "status": "failed", "code": "\ud800"}),
        ("failures", {"kind": "refuse", "times": "inf"}),
        ("failures", {"kind": "unavailable", "retry_after": "nan"}),
    ):
        answer = emulator.call("POST", f"/emulator/{path}", json=wrong)
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), wrong
    headers = {"Content-Type": "application/json"}
    nested = emulator.call("POST", "/emulator/clock", data="[" * 100_000, headers=headers)
    assert nested.status_code == 400
    assert emulator.call("GET", "/emulator/clock").json()["offset"] == 0
    assert scope_of(emulator).verifications.create(to=number, channel="sms").sid


def test_a_website_that_gives_the_emulator_a_name_of_its_own_reads_nothing(emulator):
    for host, status in (
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost:8088", 200),
        ("verify.twilio.com", 200),
    ):
        answer = emulator.call("GET", "/emulator/messages", headers={"Host": host})
        assert answer.status_code == status, host


def message_status(emulator, started):
    attempts = client_of(emulator).verify.v2.verification_attempts
    sid = started.send_code_attempts[-1]["attempt_sid"]
    return attempts(sid).fetch().channel_data["message_status"]


def test_reports(emulator, number):
    scope = scope_of(emulator)
    started = scope.verifications.create(to=number, channel="sms")
    for status in ("undelivered", "delivered", "read"):
        told = {"to": number, "status": status}
        assert emulator.call("POST", "/emulator/reports", json=told).json() == {"changed": True}
        assert message_status(emulator, started) == status
    always = {"always": "failed", "code": "30008"}
    assert emulator.call("POST", "/emulator/reports", json=always).status_code == 200
    other = next(NUMBERS)
    assert message_status(emulator, scope.verifications.create(to=other, channel="sms")) == "failed"
    late = {"always": "delivered", "after": 60}
    emulator.call("POST", "/emulator/reports", json=late)
    last = scope.verifications.create(to=next(NUMBERS), channel="sms")
    assert message_status(emulator, last) == "sent"
    emulator.call("POST", "/emulator/clock", json={"shift": 61})
    assert message_status(emulator, last) == "delivered"
    assert emulator.call("DELETE", "/emulator/reports").status_code == 204
    for wrong in ({}, {"to": number, "status": "sent"}, {"always": "arrived"}):
        assert emulator.call("POST", "/emulator/reports", json=wrong).status_code == 400
    nobody = {"to": "+14155559999", "status": "failed", "code": "30003"}
    assert emulator.call("POST", "/emulator/reports", json=nobody).status_code == 404


def test_failures(emulator, number):
    scope = scope_of(emulator)
    refuse = {"kind": "refuse", "to": number, "code": "21614", "times": 1}
    assert emulator.call("POST", "/emulator/failures", json=refuse).status_code == 201
    started = scope.verifications.create(to=number, channel="sms")
    assert message_status(emulator, started) == "failed"
    emulator.call("POST", "/emulator/failures", json={"kind": "unavailable", "retry_after": 5})
    waiting = scope.verifications.create(to=number, channel="sms")
    assert message_status(emulator, waiting) == "queued"
    assert emulator.call("DELETE", "/emulator/failures").status_code == 204
    emulator.call("POST", "/emulator/clock", json={"shift": 30})
    # The worker looks twice a second.
    for _ in range(PATIENCE):
        if message_status(emulator, waiting) == "sent":
            break
        time.sleep(1)
    assert message_status(emulator, waiting) == "sent"
    for wrong in ({"kind": "explode"}, {"kind": "refuse", "times": "x"}):
        assert emulator.call("POST", "/emulator/failures", json=wrong).status_code == 400


def test_one_number_all_day(emulator, number):
    scope = scope_of(emulator)
    for _ in range(12):
        scope.verifications.create(to=number, channel="sms")
    for _ in range(8):
        assert scope.verification_checks.create(to=number, code="123456").valid
        scope.verifications.create(to=number, channel="sms")


def test_many_at_one_moment(emulator):
    def cycle(number):
        scope = scope_of(emulator)
        scope.verifications.create(to=number, channel="sms")
        return scope.verification_checks.create(to=number, code="123456").status

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(cycle, itertools.islice(NUMBERS, 40)))
    assert results == ["approved"] * 40


@pytest.mark.once
def test_strict_with_limits_and_codes_of_the_number(emulators, number):
    emulator = emulators("--strict", "--limits", "--code-from-recipient")
    scope = scope_of(emulator)
    assert refused(scope_of(emulator, service="VA" + 32 * "d").fetch) == 404
    assert refused(scope.verifications.create, to="+15550005555", channel="sms") == 400
    scope.verifications.create(to=number, channel="sms")
    assert scope.verification_checks.create(to=number, code=number[-6:]).valid
    for _ in range(5):
        scope.verifications.create(to="+14155552671", channel="sms")
    assert refused(scope.verifications.create, to="+14155552671", channel="sms") == 429
    scope.verifications.create(to="anna1@example.com", channel="email")
    assert scope.verification_checks.create(to="anna1@example.com", code="000001").valid


SEED = """
[[services]]
sid = "VA00000000000000000000000000000001"
friendly_name = "Default"

[[accounts]]
sid = "AC00000000000000000000000000000002"
auth_token = "the token of the seed"

[[accounts.keys]]
sid = "SK00000000000000000000000000000003"
secret = "the secret of the seed"

[[accounts.services]]
sid = "VA00000000000000000000000000000004"
friendly_name = "Shop"
code = "4711"
code_length = 4

[[accounts.services.factors]]
identity = "user-0001"
secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
"""


@pytest.mark.once
def test_a_seed_and_a_database_that_stays(tmp_path, number):
    seed, database = tmp_path / "seed.toml", tmp_path / "verify.sqlite3"
    seed.write_text(SEED)
    options = ("--seed", str(seed), "--database", str(database), "--random-codes")
    service = "VA00000000000000000000000000000004"
    with running(*options) as emulator:
        scope = scope_of(emulator, "AC" + "2".zfill(32), "the token of the seed", service=service)
        assert scope.fetch().friendly_name == "Shop"
        key = "SK" + "3".zfill(32), "the secret of the seed"
        assert scope_of(emulator, *key, service=service).fetch().sid == service
        assert refused(scope_of(emulator, key[0], "wrong", service=service).fetch) == 401
        # The default account is there as ever, with the services that name no account.
        assert scope_of(emulator, service="VA" + "1".zfill(32)).fetch().friendly_name == "Default"
        assert scope_of(emulator, service="VA" + "9".zfill(32)).fetch().account_sid == ACCOUNT_SID
        wrong = scope_of(emulator, ACCOUNT_SID, "wrong", service="VA" + "8".zfill(32))
        assert refused(wrong.fetch) == 401
        scope.verifications.create(to=number, channel="sms")
        assert scope.verification_checks.create(to=number, code="4711").valid
        (factor,) = scope.entities("user-0001").factors.list()
        assert factor.status == "verified"
        made = scope_of(emulator).verifications.create(to=number, channel="sms")
        (sent,) = emulator.call("GET", "/emulator/messages").json()["messages"][:1]
    with running(*options) as emulator:
        scope = scope_of(emulator, "AC" + "2".zfill(32), "the token of the seed", service=service)
        assert [each.sid for each in scope.entities("user-0001").factors.list()] == [factor.sid]
        totp = pyotp.TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").now()
        challenge = scope.entities("user-0001").challenges.create(
            factor_sid=factor.sid, auth_payload=totp
        )
        assert challenge.status == "approved"
        kept = scope_of(emulator)
        assert kept.verifications(made.sid).fetch().status == "pending"
        assert kept.verification_checks.create(to=number, code=sent["code"]).valid
    assert (tmp_path / "verify.sqlite3.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.once
def test_https_and_one_account(tmp_path):
    certificate, key = certify(tmp_path)
    account = "AC" + 32 * "e"
    options = ("--account-sid", account, "--auth-token", "mine", "--service", "VA" + 32 * "E")
    with running("--certificate", certificate, "--key", key, *options) as emulator:
        assert emulator.base_url.startswith("https://127.0.0.1:")
        assert emulator.service_sid == "VA" + 32 * "e"
        url = f"{emulator.base_url}/v2/Services/{emulator.service_sid}"
        for auth, status in (((account, "mine"), 200), ((ACCOUNT_SID, AUTH_TOKEN), 401)):
            answer = requests.get(url, auth=auth, verify=certificate, timeout=PATIENCE)
            assert answer.status_code == status
        found = requests.get(url, auth=(account, "mine"), verify=certificate, timeout=PATIENCE)
        assert found.json()["url"] == url


def certify(folder):
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulator")])
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return [str(path) for path in paths]


@pytest.mark.once
def test_what_is_printed_without_json():
    process = subprocess.Popen(
        [*command(), "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        lines = [process.stdout.readline() for _ in range(6)]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert re.match(r"The Verify v2 API answers at http://127\.0\.0\.1:\d+/v2\n", lines[0])
    assert f"TWILIO_VERIFY_SERVICE_SID={SERVICE_SID}\n" in lines
    assert process.returncode == 0


def folders():
    """The folders of emulators that run."""
    places = ("/dev/shm", tempfile.gettempdir())
    return {path for place in places for path in Path(place).glob("django-verify-*")}


@pytest.mark.once
@pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="nohup has children ignore it"
)
def test_a_terminal_that_is_closed_ends_it_and_its_folder():
    before = folders()
    with running() as emulator:
        mine = folders() - before
        emulator.process.send_signal(signal.SIGHUP)
        assert emulator.process.wait(PATIENCE) == 0
        assert mine - folders()


@pytest.mark.once
def test_a_port_in_use_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*command(), "--port", port], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert re.fullmatch(r"django-verify emulator: .*in use.*\n", done.stderr)


@pytest.mark.once
def test_the_database_of_a_site_is_left_alone(tmp_path):
    """Otherwise a well-known token would open the site from then on."""
    database = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(database)) as site:
        site.execute("CREATE TABLE a_site (id INTEGER)")
    before = database.read_bytes()
    done = subprocess.run(
        [*command(), "--port", "0", "--database", str(database)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"django-verify emulator: --database: .* no emulator's.*\n", done.stderr)
    assert database.read_bytes() == before
    assert list(tmp_path.iterdir()) == [database]


@pytest.mark.once
@pytest.mark.parametrize(
    ("seed", "database", "reason"),
    [
        ("size = 3", "", "'size'"),
        ("code_length = 99", "", "code_length"),
        ("code_length = []", "", "code_length"),
        ('account = "AC00000000000000000000000000000000"', "", "'account'"),
        ('factors = [{ identity = "user-0001", secret = "x" }]', "", "factors"),
        ("", "no/such/folder/verify.sqlite3", "no/such/folder"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(seed, database, reason, tmp_path):
    path = tmp_path / "seed.toml"
    path.write_text(f'[[services]]\nsid = "VA00000000000000000000000000000001"\n{seed}\n')
    keeping = ["--database", str(tmp_path / database)] if database else []
    done = subprocess.run(
        [*command(), "--port", "0", "--seed", str(path), *keeping],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"django-verify emulator: .*{reason}.*\n", done.stderr)
