"""The system checks: each id can be reached, and a good configuration is silent."""

import ast
import datetime as dt
import inspect
import re
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from django import urls
from django.core.checks import WARNING, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection
from django.urls import reverse_lazy
from django.utils import timezone

from django_verify import checks, health, verifications
from django_verify.checks import configuration
from django_verify.contact import phones
from django_verify.factors import passkeys
from django_verify.models import (
    GeoPermission,
    MessagingService,
    TestNumber,
    VerificationAttempt,
    VerifyService,
)
from tests.conftest import PHONE, make_pair, make_service
from tests.scripted import configured

EMAIL = {"BACKEND": "django_verify.senders.email.EmailSender"}
MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}
BOT_PROTECTION = "django_verify.gates.{}"
CONSOLE = {"BACKEND": "django_verify.senders.console.ConsoleSender"}
FILE = "django_verify.senders.file.FileSender"
GOOD = {
    "BASE_URL": "https://verify.example.com",
    "KEYS": {"k1": "a secret of the ring, long enough for anyone to be content"},
    "SENDERS": {"mail": EMAIL},
    "ROUTES": {"email": ["mail"]},
}


@pytest.fixture(autouse=True)
def todays_metadata(monkeypatch):
    monkeypatch.setattr(phones, "metadata_date", lambda: timezone.now().date())


def ids(found):
    return [message.id.removeprefix("django_verify.") for message in found]


def use(settings, **values):
    settings.DJANGO_VERIFY = GOOD | values


def test_a_good_configuration_is_silent(settings):
    use(settings)
    assert checks.check_settings() == []
    assert checks.check_deployment() == []


@pytest.mark.django_db
def test_the_checks_are_registered(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}, "ROUTES": {"pigeon": []}}
    ours = [m for m in run_checks(include_deployment_checks=True) if "django_verify" in m.id]
    assert {"E002", "E010", "W013"} == set(ids(ours))
    assert "E010" not in ids(m for m in run_checks() if "django_verify" in m.id)


VONAGE = {
    "BACKEND": "django_verify.senders.vonage.VonageSender",
    "OPTIONS": {"api_key": "k", "api_secret": "s", "sender": "Acme", "signature_secret": "x"},
}


@pytest.mark.parametrize(("spare", "found"), [(0, []), (-1, ["W019"])])
def test_a_recipient_for_reports_that_a_provider_does_not_take(settings, spare, found):
    longest = 100 - len("/verify/r/") - 22
    base = "https://" + "v" * (longest - spare - len("https://"))
    use(settings, BASE_URL=base, SENDERS={"sms": VONAGE, "mail": EMAIL})
    messages = checks.check_settings()
    assert ids(messages) == found
    if found:
        assert "'sms' takes 100 characters" in messages[0].msg
        assert "have 101" in messages[0].msg
    quiet = VONAGE | {"OPTIONS": VONAGE["OPTIONS"] | {"signature_secret": ""}}
    use(settings, BASE_URL=base, SENDERS={"sms": quiet, "mail": EMAIL})
    assert checks.check_settings() == []
    settings.ROOT_URLCONF = "django_verify.api.urls"
    use(settings, BASE_URL=base, SENDERS={"sms": VONAGE, "mail": EMAIL})
    assert checks.check_settings() == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"SENDER": {}}, "DJANGO_VERIFY has no key 'SENDER'. Did you mean 'SENDERS'?"),
        ({"KEYS": {"a b": "x"}}, "'a b' is no key id"),
        ({"SENDERS": {"x": {"BACKEND": "nowhere.Sender"}}}, "No module named 'nowhere'"),
        ({"SENDERS": {"x": EMAIL | {"OPTIONS": None}}}, "['SENDERS']['x']: OPTIONS must be"),
        (
            {"BOT_PROTECTION": {"BACKEND": "nowhere.Gate"}},
            "DJANGO_VERIFY['BOT_PROTECTION']: No module named",
        ),
    ],
    ids=str,
)
def test_e001_a_configuration_that_cannot_be_read(values, sentence, settings):
    use(settings, **values)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E001"]
    assert sentence in error.msg
    assert checks.check_deployment() == []


def test_e002_a_route_for_an_unknown_channel(settings):
    use(settings, ROUTES={"pigeon": ["mail"]})
    (error,) = checks.check_settings()
    assert ids([error]) == ["E002"]
    assert "'pigeon'" in error.msg


@pytest.mark.parametrize(
    ("routes", "alias"), [({"email": ["post"]}, "post"), ({"sms": ["mail"]}, "mail")]
)
def test_e003_a_route_through_a_sender_that_does_not_serve(routes, alias, settings):
    use(settings, ROUTES=routes)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E003"]
    assert f"no sender {alias!r} serves it" in error.msg


def test_e003_and_e005_look_at_weights(settings):
    use(settings, ROUTES={"email": {"mail": 9, "post": 1}})
    (error,) = checks.check_settings()
    assert (ids([error]), "no sender 'post' serves it" in error.msg) == (["E003"], True)
    use(settings, ROUTES={"email": {"US": {"mail": 9}, "us": {"mail": 1}}})
    assert ids(checks.check_settings()) == ["E005"]
    use(settings, ROUTES={"email": {"US": {"mail": 9}, "*": ["mail"]}})
    assert checks.check_settings() == []


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        (["mail"], "['ROUTES'] must be a dictionary."),
        ({"email": "mail"}, "['ROUTES']['email'] must be a list of aliases, or map each alias"),
        ({"email": {"US": "mail"}}, "['ROUTES']['email']['US'] must be a list of aliases, or"),
        ({"email": None}, "['ROUTES']['email'] must be a list of aliases, or map each alias"),
        ({"email": {"mail": 0}}, "['ROUTES']['email']: the weight of 'mail' must be a whole"),
        ({"email": {"mail": -1}}, "the weight of 'mail' must be a whole number from 1 to"),
        ({"email": {"mail": 0.9}}, "the weight of 'mail' must be a whole number from 1 to"),
        ({"email": {"mail": True}}, "the weight of 'mail' must be a whole number from 1 to"),
        ({"email": {"mail": 9, "US": ["mail"]}}, "the weight of 'US' must be a whole number"),
        ({"email": {"US": {"mail": 0}}}, "['ROUTES']['email']['US']: the weight of 'mail' must"),
        ({"email": {"mail": 10**9 + 1}}, "['ROUTES']['email']: the weight of 'mail' must be a"),
        ({"email": [{"mail": 9}]}, "['ROUTES']['email'] must be a list of aliases, or map each"),
        ({"email": {"US": ["mail", 1]}}, "['ROUTES']['email']['US'] must be a list of aliases, or"),
    ],
    ids=str,
)
def test_e001_routes_that_cannot_be_read(routes, sentence, settings):
    use(settings, ROUTES=routes)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E001"]
    assert sentence in error.msg


def test_every_fault_of_the_routes_is_reported(settings):
    use(settings, ROUTES={"pigeon": [], "sms": ["mail", "post"], "email": ["mail"]})
    assert ids(checks.check_settings()) == ["E002", "E003", "E003"]


@pytest.mark.parametrize(
    ("country", "found"), [("US", []), ("*", []), ("us", ["E005"]), ("all", ["E005"])]
)
def test_e005_a_route_for_no_country(country, found, settings):
    use(settings, ROUTES={"email": {country: ["mail"]}})
    assert ids(checks.check_settings()) == found
    use(settings, ROUTES={"email": {country: ["post"]}})
    assert ids(checks.check_settings()) == [*found, "E003"]


@pytest.mark.parametrize(
    "path", ["nowhere.wake", "django_verify.delivery.dispatch.nothing", "django_verify.__version__"]
)
def test_e001_an_engine_that_is_none(path, settings):
    use(settings, DISPATCH=path)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E001"]
    assert "DISPATCH" in error.msg


@pytest.mark.parametrize("using", ["default", "verify"])
def test_e006_a_database_without_autocommit(settings, monkeypatch, using):
    assert checks.check_autocommit() == []
    monkeypatch.setattr(configuration.queries, "database", lambda: using)
    databases = {alias: connection.copy(alias) for alias in ("default", "verify")}
    databases[using].settings_dict["AUTOCOMMIT"] = False
    monkeypatch.setattr(configuration, "connections", databases)
    (message,) = checks.check_autocommit()
    assert message.id == "django_verify.E006"
    assert f"AUTOCOMMIT of the database {using!r} is off" in message.msg


def test_w043_a_gate_that_takes_tokens_of_any_page(settings):
    gate = {"BACKEND": BOT_PROTECTION.format("turnstile.TurnstileGate"), "OPTIONS": {"secret": "s"}}
    use(settings, BOT_PROTECTION=gate)
    assert ids(checks.check_settings()) == ["W043"]
    use(
        settings,
        BOT_PROTECTION=gate | {"OPTIONS": {"secret": "s", "hostnames": ["www.example.com"]}},
    )
    assert checks.check_settings() == []
    assert checks.check_deployment() == []


def test_e043_a_gate_for_development(settings):
    use(settings, BOT_PROTECTION={"BACKEND": BOT_PROTECTION.format("memory.MemoryGate")})
    assert checks.check_settings() == []
    assert ids(checks.check_deployment()) == ["E043"]
    options = {"app_id": "ABCDE12345.com.example.app", "environment": "development"}
    use(
        settings,
        BOT_PROTECTION={
            "BACKEND": BOT_PROTECTION.format("app_attest.AppAttestGate"),
            "OPTIONS": options,
        },
    )
    assert ids(checks.check_deployment()) == ["E043"]


def test_w016_reports_that_nobody_hears(settings):
    use(settings, **configured(reporting="a", aliases="ab", ROUTES=None, BASE_URL=""))
    assert ids(checks.check_deployment()) == ["E010", "E010", "W013", "W016"]
    use(settings, **configured(reporting="a", aliases="ab", ROUTES=None))
    assert ids(checks.check_deployment()) == ["E010", "E010"]
    settings.ROOT_URLCONF = "django_verify.api.urls"
    assert "W016" in ids(checks.check_deployment())


def test_e004_a_sender_reports_its_own_fault(settings, tmp_path):
    options = {"path": tmp_path / "missing" / "outbox"}
    use(settings, SENDERS={"out": {"BACKEND": FILE, "OPTIONS": options}}, ROUTES=None)
    assert ids(checks.check_settings()) == ["E004"]


@pytest.mark.parametrize("missing", ["limits", "redis"])
def test_e020_a_store_whose_library_is_missing(missing, settings, monkeypatch):
    use(settings, RATE_LIMIT_STORE="redis://127.0.0.1:6379/0")
    monkeypatch.setattr(checks.configuration, "installed", lambda *names: missing not in names)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E020"]
    monkeypatch.setattr(checks.configuration, "installed", lambda *names: True)
    assert checks.check_settings() == []


@pytest.mark.parametrize("sender", [MEMORY, CONSOLE], ids=str)
def test_e010_a_sender_that_reaches_nobody(sender, settings):
    use(settings, SENDERS={"mail": EMAIL, "dev": sender})
    (error,) = checks.check_deployment()
    assert ids([error]) == ["E010"]
    assert "'dev'" in error.msg


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"MAX_CONSECUTIVE_FAILURES": 101}, "W011"),
        ({"RECIPIENT_GUESSES_PER_DAY": 101}, "W012"),
        ({"RECIPIENT_GUESSES_SINCE_APPROVAL": 1001}, "W020"),
        ({"BASE_URL": ""}, "W013"),
        ({"TEST_NUMBERS": True}, "W041"),
    ],
    ids=str,
)
def test_a_weak_setting_is_warned_about(values, warning, settings):
    use(settings, **values)
    found = checks.check_deployment()
    assert ids(found) == [warning]
    assert found[0].level == WARNING
    assert checks.check_settings() == []


@pytest.mark.parametrize("key", ["MAX_CONSECUTIVE_FAILURES", "RECIPIENT_GUESSES_PER_DAY"])
def test_the_bound_itself_is_allowed(key, settings):
    use(settings, **{key: 100})
    assert checks.check_deployment() == []


def deploy(fail_level="ERROR"):
    err = StringIO()
    call_command("check", deploy=True, fail_level=fail_level, stdout=StringIO(), stderr=err)
    return err.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("senders", [{}, {"memory": MEMORY}, {"console": CONSOLE}], ids=str)
def test_check_deploy_refuses_development_senders(senders, settings):
    settings.DJANGO_VERIFY = {"SENDERS": senders} if senders else {}
    with pytest.raises(SystemCheckError, match=r"django_verify\.E010"):
        deploy()


@pytest.mark.django_db
def test_check_deploy_states_nothing_of_a_good_configuration(settings):
    use(settings)
    received = deploy(fail_level="CRITICAL")
    assert "security.W" in received
    assert "(django_verify." not in received


def test_a_simulated_carrier_is_not_deployed(settings):
    settings.DJANGO_VERIFY = {"SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"}}
    assert "django_verify.E011" in {message.id for message in checks.check_deployment()}
    assert checks.check_settings() == []


@pytest.mark.parametrize(
    "given",
    [
        {"SNA": {"BACKEND": "nowhere.Nothing"}},
        {"CARRIER_LOOKUP": {"BACKEND": "nowhere.Lookup"}},
        {"MOBILE_AUTHENTICATION": ["nowhere.Authentication"]},
        {"PHONE_CONFLICT_POLICY": "nowhere.decide"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_paths_that_lead_nowhere(settings, given):
    settings.DJANGO_VERIFY = given
    assert [message.id for message in checks.check_settings()] == ["django_verify.E001"]


MEMORY_PUSH = {"fcm": {"BACKEND": "django_verify.push_senders.memory.MemorySender"}}


def test_push_without_its_library(settings, monkeypatch):
    use(settings, PUSH_SENDERS=MEMORY_PUSH)
    assert checks.check_settings() == []
    monkeypatch.setattr("django_verify.crypto.jose.installed", lambda *names: False)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E030"]
    assert "django-verify[jose]" in error.hint


def test_a_push_sender_that_reaches_no_device_is_not_deployed(settings):
    use(settings, PUSH_SENDERS=MEMORY_PUSH)
    assert ids(checks.check_deployment()) == ["E031"]


def test_a_push_sender_reports_its_own_fault(settings):
    apn = {"BACKEND": "django_verify.push_senders.apn.ApnSender", "OPTIONS": {"key": "x"}}
    use(settings, PUSH_SENDERS={"apn": apn})
    assert ids(checks.check_settings()) == ["E033"]
    use(settings, PUSH_SENDERS={"gcm": apn})
    assert ids(checks.check_settings()) == ["E001"]
    assert checks.check_deployment() == []


@pytest.mark.django_db
def test_w021_a_relying_party_without_the_passkeys_library(monkeypatch):
    service = make_service(passkeys_relying_party_id="example.com")
    assert checks.check_passkeys(databases=["default"]) == []
    monkeypatch.setattr(passkeys, "installed", lambda *names: False)
    (warning,) = checks.check_passkeys(databases=["default"])
    assert ids([warning]) == ["W021"]
    assert checks.check_passkeys() == []
    service.delete()
    assert checks.check_passkeys(databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.parametrize("switched_on", [False, True])
@pytest.mark.parametrize(
    ("days", "active", "found", "found_when_on"),
    [
        (None, True, ["E041"], ["E041"]),
        (None, False, ["E041"], ["E041"]),
        (91, True, [], ["E042"]),
        (91, False, [], []),
        (89, True, [], []),
        (-1, True, [], []),
    ],
)
def test_e041_e042_pairs_that_do_not_end(
    service, settings, switched_on, days, active, found, found_when_on
):
    use(settings, TEST_NUMBERS=switched_on)
    assert checks.check_test_numbers(databases=["default"]) == []
    make_pair(service, days=days, is_active=active)
    errors = checks.check_test_numbers(databases=["default"])
    assert ids(errors) == (found_when_on if switched_on else found)
    assert checks.check_test_numbers(databases=None) == []
    assert PHONE not in str(errors)


@pytest.mark.django_db
def test_pairs_are_checked_at_deployment_of_a_database(service, settings):
    use(settings)
    make_pair(service, days=None)
    assert "E041" not in ids(run_checks(databases=["default"]))
    assert "E041" in ids(run_checks(databases=["default"], include_deployment_checks=True))
    call_command("check", databases=["default"], stdout=StringIO())
    with pytest.raises(SystemCheckError, match="without an expiry: 1"):
        call_command("check", deploy=True, databases=["default"], stdout=StringIO())


def test_the_check_of_pairs_waits_for_the_first_migration(settings, monkeypatch):
    use(settings)

    def missing(self, using):
        raise DatabaseError("no such table")

    monkeypatch.setattr(type(TestNumber.objects), "using", missing)
    assert checks.check_test_numbers(databases=["default"]) == []
    settings.DJANGO_VERIFY = {"NO_KEY": 1}
    assert checks.check_test_numbers(databases=["default"]) == []


HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


@pytest.mark.parametrize(
    "behind",
    [
        {"SECURE_PROXY_SSL_HEADER": HEADER},
        {"USE_X_FORWARDED_HOST": True},
        {"USE_X_FORWARDED_PORT": True},
        {"SECURE_PROXY_SSL_HEADER": HEADER, "USE_X_FORWARDED_HOST": True},
    ],
    ids=" ".join,
)
def test_w017_a_proxy_that_nobody_counts(settings, behind):
    for name, value in behind.items():
        setattr(settings, name, value)
    use(settings)
    (warning,) = checks.check_deployment()
    assert ids([warning]) == ["W017"]
    assert all(name in warning.msg for name in behind)
    assert checks.check_settings() == []
    use(settings, TRUSTED_PROXIES=1)
    assert checks.check_deployment() == []


@pytest.mark.parametrize(
    ("exempt", "redirected"),
    [
        ([], ["/verify/healthz", "/verify/livez"]),
        ([r"^verify/livez$"], ["/verify/healthz"]),
        ([r"^verify/healthz$"], ["/verify/livez"]),
        ([r"^healthz$", r"^/verify/"], ["/verify/healthz", "/verify/livez"]),
        ([r"^verify/(health|live)z$"], []),
        ([r"z$"], []),
    ],
    ids=str,
)
def test_w018_health_that_is_redirected(settings, client, exempt, redirected):
    use(settings)
    settings.SECURE_SSL_REDIRECT, settings.SECURE_REDIRECT_EXEMPT = True, exempt
    found = checks.check_deployment()
    assert ids(found) == ["W018"] * bool(redirected)
    for path in ("/verify/healthz", "/verify/livez"):
        assert any(f"{path} " in f"{m.msg.replace(':', ' ')}" for m in found) == (
            path in redirected
        )
    # As Django has it.
    response = client.get("/verify/livez")
    assert (response.status_code == 301) == ("/verify/livez" in redirected)


def test_the_hint_of_w018_is_the_cure(settings, client):
    use(settings)
    settings.SECURE_SSL_REDIRECT = True
    (warning,) = checks.check_deployment()
    (exempt,) = re.findall(r"\[.*?\](?= to)", warning.hint)
    settings.SECURE_REDIRECT_EXEMPT = ast.literal_eval(exempt)
    assert checks.check_deployment() == []
    assert client.get("/verify/livez").status_code == 200


@pytest.mark.parametrize(
    "harmless",
    [
        {"SECURE_SSL_REDIRECT": False},
        {"MIDDLEWARE": []},
        {"ROOT_URLCONF": "tests.mobile.host.urls"},
    ],
    ids=str,
)
def test_w018_needs_the_redirect_and_the_urls(settings, harmless):
    use(settings)
    settings.SECURE_SSL_REDIRECT = True
    for name, value in harmless.items():
        setattr(settings, name, value)
    assert checks.check_deployment() == []


API, LOOKUPS = (
    urls.path("v2/", urls.include("django_verify.api.urls")),
    urls.path("", urls.include("django_verify.lookups.urls")),
)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [([LOOKUPS, API], []), ([API, LOOKUPS], ["W033"]), ([API], []), ([LOOKUPS], [])],
    ids=["before", "behind", "api", "lookups"],
)
def test_w033_look_ups_behind_the_api(settings, patterns, found):
    use(settings)
    settings.ROOT_URLCONF = tuple(patterns)
    assert ids(checks.check_deployment()) == found


@pytest.mark.parametrize(("order", "found"), [(1, []), (-1, ["W033"])])
def test_w033_below_a_prefix_of_the_server(settings, order, found):
    """A page for every path, as many sites have it, does not hide what comes before it."""
    use(settings)
    page = urls.re_path("", lambda request: None)
    settings.ROOT_URLCONF = (*(LOOKUPS, API)[::order], page)
    urls.set_script_prefix("/app/")
    try:
        assert ids(checks.check_deployment()) == found
    finally:
        urls.clear_script_prefix()


def test_every_check_is_documented():
    package = Path(checks.__file__).parents[1]
    text = (package.parent / "docs/checks.md").read_text()
    known = set()
    for path in package.rglob("*.py"):
        known |= set(re.findall(r'"django_verify\.([EW]\d{3})"', path.read_text()))
    listed = re.findall(r"^\| `([EW]\d{3})` \|", text, re.MULTILINE)
    assert sorted(known) == sorted(set(listed))
    assert len(listed) == len(set(listed))


def test_no_two_checks_have_one_id():
    rooms = (checks.configuration, checks.deployment, checks.stored)
    source = "".join(map(inspect.getsource, rooms))
    found = re.findall(r'id="(django_verify\.[EW][0-9]{3})"', source)
    assert len(found) > 20
    assert len(found) == len(set(found))


@pytest.mark.parametrize(("age", "expected"), [(None, []), (183, []), (184, ["W022"])])
def test_old_numbering_metadata(settings, monkeypatch, age, expected):
    use(settings)
    released = None if age is None else timezone.now().date() - dt.timedelta(days=age)
    monkeypatch.setattr(phones, "metadata_date", lambda: released)
    assert ids(checks.check_deployment()) == expected


@pytest.mark.django_db
def test_a_site_that_sends_to_every_country(monkeypatch):
    assert checks.check_countries(databases=["default"]) == []
    service = make_service()
    assert ids(checks.check_countries(databases=["default"])) == ["W023"]
    assert checks.check_countries(databases=None) == []
    row = GeoPermission(account=service.account, country="DE", action="monitor")
    row.save()
    assert ids(checks.check_countries(databases=["default"])) == ["W023"]
    row.action = "block"
    row.save()
    assert checks.check_countries(databases=["default"]) == []
    assert "W023" not in ids(run_checks(databases=["default"]))


@pytest.mark.django_db
def test_countries_before_the_tables_are_there(monkeypatch):
    def absent(*args):
        raise DatabaseError

    monkeypatch.setattr(GeoPermission.objects, "using", absent)
    assert checks.check_countries(databases=["default"]) == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://verify.example.com", ["W024"]),
        ("http://10.0.0.7:8000", ["W024"]),
        ("http://localhost.example.com", ["W024"]),
        ("http://localhost:8000", []),
        ("http://127.0.0.1:8000", []),
        ("http://[::1]:8000", []),
        ("https://verify.example.com", []),
    ],
)
def test_w024_credentials_over_plain_http(url, found, settings):
    use(settings, BASE_URL=url)
    assert ids(checks.check_deployment()) == found
    assert checks.check_settings() == []


@pytest.mark.parametrize("end", ["/v2", "/v2/"])
def test_w032_a_base_url_that_ends_in_v2(end, settings):
    use(settings, BASE_URL=f"https://verify.example.com{end}")
    assert ids(checks.check_settings()) == ["W032"]
    assert checks.check_deployment() == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"SENDERS": []}, "['SENDERS'] must be a dictionary"),
        ({"PUSH_SENDERS": ["fcm"]}, "['PUSH_SENDERS'] must be a dictionary"),
        ({"KEYS": "secret"}, "['KEYS'] must be a dictionary"),
        ({"CLIENT_LIMITS": []}, "['CLIENT_LIMITS'] must be a dictionary"),
        ({"ROUTES": ["mail"]}, "['ROUTES'] must be a dictionary"),
        ({"BASE_URL": "https://[::1"}, "['BASE_URL'] must begin with https://"),
        ({"BASE_URL": None}, "['BASE_URL'] must be a text; '' is none"),
        ({"DISPATCH": 5}, "['DISPATCH'] must be a text"),
        ({"RESTRICTED_WORDS": None}, "['RESTRICTED_WORDS'] must be a list"),
        ({"CLIENT_APP_HASHES": 5}, "['CLIENT_APP_HASHES'] must be a list"),
        ({"WEBHOOK_ALLOWED_HOSTS": None}, "['WEBHOOK_ALLOWED_HOSTS'] must be a list"),
        ({"MOBILE_AUTHENTICATION": None}, "['MOBILE_AUTHENTICATION'] must be a list"),
        ({"MOBILE_AUTHENTICATION": "a.B"}, "must be a list of dotted paths"),
        ({"MOBILE_AUTHENTICATION": [object]}, "must be a list of dotted paths"),
        ({"SNA": "nowhere"}, "['SNA']: nowhere doesn't look like a module path"),
    ],
    ids=str,
)
def test_e001_a_value_of_another_shape(values, sentence, settings):
    use(settings, **values)
    (error,) = checks.check_settings()
    assert ids([error]) == ["E001"]
    assert sentence in error.msg
    assert checks.check_deployment() == []


def test_shapes_that_are_as_good(settings):
    use(
        settings,
        USERS_VERIFY_URL=reverse_lazy("nowhere"),
        RESTRICTED_WORDS={"bank"},
        CLIENT_APP_HASHES=(),
        MOBILE_AUTHENTICATION=("rest_framework.authentication.SessionAuthentication",),
    )
    assert checks.check_settings() == []


@pytest.mark.parametrize("value", [None, "x", ["SENDERS"], 5])
def test_e001_settings_that_are_no_dictionary(value, settings):
    settings.DJANGO_VERIFY = value
    (error,) = checks.check_settings()
    assert (error.id, error.msg) == ("django_verify.E001", "DJANGO_VERIFY must be a dictionary.")
    assert checks.check_deployment() == []


@pytest.mark.parametrize("backend", ["Immediate", "Dummy", "", "nowhere"])
def test_w025_tasks_on_a_backend_without_workers(backend, settings):
    try:
        from django.tasks import TaskResult
    except ImportError:
        TaskResult = pytest.importorskip("django_tasks").TaskResult
    package = TaskResult.__module__.rpartition(".")[0]
    import_module(f"{package}.backends.immediate")  # with it comes what follows the settings
    paths = {"": "django_verify.nothing", "nowhere": "nowhere.Backend"}
    path = f"{package}.backends.{backend.lower()}.{backend}Backend"
    settings.TASKS = {"default": {"BACKEND": paths.get(backend, path)}}
    use(settings, DISPATCH="tasks")
    found = checks.check_deployment()
    assert ids(found) == ["W025"] * (backend in {"Immediate", "Dummy"})
    assert all(f"{backend}Backend" in message.msg for message in found)
    use(settings)
    assert checks.check_deployment() == []


@pytest.mark.parametrize(
    ("engine", "backend", "found"),
    [
        ("cache", "django.core.cache.backends.locmem.LocMemCache", ["W028"]),
        ("cache", "django.core.cache.backends.dummy.DummyCache", ["W028"]),
        ("cache", "django.core.cache.backends.redis.RedisCache", []),
        ("cached_db", "django.core.cache.backends.locmem.LocMemCache", []),
        ("db", "django.core.cache.backends.locmem.LocMemCache", []),
    ],
)
def test_w028_sessions_that_one_process_has(engine, backend, found, settings):
    use(settings)
    settings.CACHES = {"default": {"BACKEND": backend}}
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert ids(checks.check_deployment()) == found
    settings.ROOT_URLCONF = "tests.mobile.host.urls"  # without pages
    assert checks.check_deployment() == []


@pytest.mark.django_db
def test_w029_w030_senders_that_nothing_leads_to(service, settings):
    senders = {"mail": EMAIL, "spare": EMAIL, "third": EMAIL}
    use(settings, SENDERS=senders, ROUTES={"email": {"US": ["mail"], "*": ["third"]}})
    (warning,) = checks.check_aliases(databases=["default"])
    assert (ids([warning]), "'spare'" in warning.msg) == (["W029"], True)
    assert checks.check_aliases() == []
    service.senders = {"email": ["spare", "gone"]}
    service.save()
    (warning,) = checks.check_aliases(databases=["default"])
    assert ids([warning]) == ["W030"]
    assert service.sid in warning.msg
    assert "'gone'" in warning.msg
    service.senders = {}
    service.save()
    route = MessagingService.objects.create(
        account=service.account, friendly_name="x", senders=["spare", "spare", "lost"]
    )
    (warning,) = checks.check_aliases(databases=["default"])
    assert ids([warning]) == ["W030"]
    assert route.sid in warning.msg
    use(settings, SENDERS=senders, ROUTES=None)
    assert ids(checks.check_aliases(databases=["default"])) == ["W030"]
    use(settings, SENDERS={"x": {"BACKEND": "nowhere.Sender"}})
    assert checks.check_aliases(databases=["default"]) == []


@pytest.mark.django_db
def test_w027_workers_that_do_not_run(service, settings, clock):
    use(settings)
    assert checks.check_workers(databases=["default"]) == []
    verifications.start(service, "someone@example.com", "email")
    clock.shift(3 * 86_400)
    found = checks.check_workers(databases=["default"])
    assert ids(found) == ["W027", "W027"]
    assert "manage.py deliverattempts --loop" in found[0].hint
    assert "manage.py purgeverifications" in found[1].hint
    for name in ("deliverattempts", "purgeverifications"):
        health.beat(name)
    (warning,) = checks.check_workers(databases=["default"])
    assert "cannot keep up" in warning.msg
    VerificationAttempt.objects.update(due_at=None)
    assert checks.check_workers(databases=["default"]) == []
    assert checks.check_workers() == []
    assert "W027" not in ids(run_checks(databases=["default"]))


def send(service, seconds, number, sender="slow"):
    """Attempts that a sender took so many seconds for."""
    row = verifications.start(service, f"+1415555{number:04}")
    attempt = row.attempts.get()
    ended = attempt.date_created + dt.timedelta(seconds=seconds)
    row.attempts.update(sender=sender, message_status="sent", date_updated=ended)


@pytest.mark.django_db
def test_w026_requests_that_wait_for_a_provider(service, settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}}
    for number in range(20):
        send(service, 2.5 if number % 3 else 0.1, 2600 + number)
        send(service, 0.1 if number % 3 else 2.5, 2700 + number, "quick")
        if number < 19:
            assert number or checks.check_slow_sending(databases=["default"]) == []
    (warning,) = checks.check_slow_sending(databases=["default"])
    assert ids([warning]) == ["W026"]
    assert "'slow' took 2.5 seconds" in warning.msg
    assert checks.check_slow_sending() == []
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}, "DISPATCH": "tests.test_checks.send"}
    assert checks.check_slow_sending(databases=["default"]) == []


@pytest.mark.django_db
def test_the_checks_of_tables_wait_for_the_first_migration(settings, monkeypatch):
    use(settings)

    def absent(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr(VerifyService.objects, "using", absent)
    monkeypatch.setattr(checks.stored.queries, "attempts", absent)
    for check in (checks.check_aliases, checks.check_workers, checks.check_slow_sending):
        assert check(databases=["default"]) == []


@pytest.mark.urls("tests.browsable")
def test_w031_a_browsable_api_without_its_templates(settings):
    (warning,) = checks.check_browsable_api()
    assert ids([warning]) == ["W031"]
    assert warning.msg.count("orders") == 1
    assert "django_verify" not in warning.msg
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    assert checks.check_browsable_api() == []


@pytest.mark.parametrize("urls", ["example_project.urls", "nowhere.urls"])
def test_w031_is_about_views_of_the_site_alone(settings, urls):
    settings.ROOT_URLCONF = urls
    assert checks.check_browsable_api() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/v2/Services", "/v2/nothing", "/mobile/verifications", "/v2/v2/x"]
)
def test_browsers_get_json_without_rest_framework_among_the_apps(client, path):
    answer = client.get(path, headers={"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert answer.status_code in {401, 404, 503}
    assert answer["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("senders", [None, [], 5, "x", {"sms": None}, {"sms": [["x"], 1]}])
def test_w030_columns_of_another_shape(senders, service, settings):
    use(settings)
    VerifyService.objects.update(senders=senders or {"call": None})
    MessagingService.objects.create(
        account=service.account, friendly_name="EU", senders=senders or [None]
    )
    expected = ["W030", "W030"] if "x" in str(senders) else []
    assert ids(checks.check_aliases(databases=["default"])) == expected
