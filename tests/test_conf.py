"""The settings: defaults, overrides, refusals, and that nothing is read at import."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_verify import conf

ROOT = Path(conf.__file__).resolve().parents[2]
SECRET = "a secret of the ring, long enough for anyone to be content"
DEFAULTS = {
    "BASE_URL": "",
    "KEYS": {},
    "SENDERS": {"console": {"BACKEND": "django_verify.senders.console.ConsoleSender"}},
    "ROUTES": None,
    "RECIPIENT_GUESSES_PER_DAY": 20,
    "RECIPIENT_GUESSES_PER_DAY_SHORT_CODE": 5,
    "RECIPIENT_GUESSES_SINCE_APPROVAL": 100,
    "MAX_CONSECUTIVE_FAILURES": None,
    "RECIPIENT_STARTS_PER_DAY": 200,
    "RATE_LIMITS_PER_SERVICE": 20,
    "BUCKETS_PER_RATE_LIMIT": 10,
    "RATE_LIMIT_STORE": "",
    "DELIVERY_LEASE": 60,
    "VERIFICATION_RETENTION_DAYS": 30,
    "ATTEMPT_RETENTION_DAYS": 30,
    "CLIENT_RETENTION_DAYS": 30,
    "PAYMENT_RETENTION_DAYS": 1,
    "CHALLENGE_RETENTION_DAYS": 30,
    "WEBHOOK_RETENTION_DAYS": 30,
    "DEVICE_KEY_RETENTION_DAYS": 400,
    "WEBHOOK_ALLOWED_HOSTS": (),
    "DISPATCH": "inline",
    "DISPATCH_QUEUE": "",
    "DELIVERY_REPORT_TIMEOUT": None,
    "BREAKER_FAILURES": 5,
    "BREAKER_WINDOW": 60,
    "BREAKER_SECONDS": 30,
    "HEALTH_QUEUE_AGE": 120,
    "RESTRICTED_WORDS": (),
    "KNOWN_DEVICE_DAYS": 180,
    "PROOF_LIFETIME": 600,
    "PROOF_AUDIENCE": "",
    "PROOF_KEYS": {},
    "MAX_BODY": 262_144,
    "INTEGRATIONS_SERVICE": "",
    "METRICS_TOKEN": "",
    "SNA": None,
    "PUSH_SENDERS": {},
    "CARRIER_LOOKUP": None,
    "PHONE_CONFLICT_POLICY": "deny",
    "USERS_PHONES": 5,
    "USERS_VERIFY_URL": "",
    "CLIENT_SERVICE": "",
    "CLIENT_LIMITS": {},
    "MOBILE_AUTHENTICATION": (),
    "RESEND_COOLDOWNS": (30, 40, 60, 90, 120),
    "CLIENT_APP_HASHES": (),
    "TEST_NUMBERS": False,
    "BOT_PROTECTION": None,
    "GUARD_REFRESH": 2,
    "GUARD_LEVEL": "standard",
    "GUARD_RECORD_ONLY": False,
    "GUARD_POLICY": None,
    "GUARD_RETENTION_DAYS": 30,
    "ROLLUP_RETENTION_DAYS": 800,
    "CURRENCY": "USD",
    "MESSAGE_PRICE": 0.05,
    "SHOW_FRAUD_BLOCKS": False,
    "TRUSTED_PROXIES": 0,
}
OTHERS = {
    "BASE_URL": "https://verify.example.com",
    "KEYS": {"k1": SECRET},
    "SENDERS": {"memory": {"BACKEND": "django_verify.senders.locmem.LocmemSender"}},
    "ROUTES": {"sms": ["memory"]},
    "RECIPIENT_GUESSES_PER_DAY": 10,
    "RECIPIENT_GUESSES_PER_DAY_SHORT_CODE": 4,
    "RECIPIENT_GUESSES_SINCE_APPROVAL": 50,
    "MAX_CONSECUTIVE_FAILURES": 50,
    "RECIPIENT_STARTS_PER_DAY": 100,
    "RATE_LIMITS_PER_SERVICE": 5,
    "BUCKETS_PER_RATE_LIMIT": 3,
    "RATE_LIMIT_STORE": "rediss://:a%20password@redis.example.com:6379/1",
    "DELIVERY_LEASE": 30,
    "VERIFICATION_RETENTION_DAYS": 90,
    "ATTEMPT_RETENTION_DAYS": 60,
    "CLIENT_RETENTION_DAYS": None,
    "PAYMENT_RETENTION_DAYS": 2,
    "CHALLENGE_RETENTION_DAYS": 7,
    "WEBHOOK_RETENTION_DAYS": 7,
    "DEVICE_KEY_RETENTION_DAYS": 100,
    "WEBHOOK_ALLOWED_HOSTS": ("hooks.internal", "10.0.0.0/8"),
    "DISPATCH": "celery",
    "DISPATCH_QUEUE": "codes",
    "DELIVERY_REPORT_TIMEOUT": 90,
    "BREAKER_FAILURES": 3,
    "BREAKER_WINDOW": 10,
    "BREAKER_SECONDS": 20,
    "HEALTH_QUEUE_AGE": 60,
    "RESTRICTED_WORDS": ["PayPal"],
    "KNOWN_DEVICE_DAYS": 0,
    "PROOF_LIFETIME": 60,
    "PROOF_AUDIENCE": "https://app.example.com",
    "PROOF_KEYS": {"2026-06": "/run/secrets/proof.pem"},
    "MAX_BODY": 1024,
    "INTEGRATIONS_SERVICE": "VA" + "1" * 32,
    "METRICS_TOKEN": "a token of sixteen".replace(" ", "-"),
    "SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"},
    "PUSH_SENDERS": {"fcm": {"BACKEND": "django_verify.push_senders.memory.MemorySender"}},
    "CARRIER_LOOKUP": {"BACKEND": "shop.carriers.Lookup"},
    "PHONE_CONFLICT_POLICY": "transfer",
    "USERS_PHONES": 1,
    "USERS_VERIFY_URL": "/phone/",
    "CLIENT_SERVICE": "VA0123456789abcdef0123456789abcdef",
    "CLIENT_LIMITS": {"device": []},
    "MOBILE_AUTHENTICATION": ("rest_framework.authentication.TokenAuthentication",),
    "RESEND_COOLDOWNS": (60,),
    "CLIENT_APP_HASHES": ("FA+9qCX9VSu",),
    "TEST_NUMBERS": True,
    "BOT_PROTECTION": {"BACKEND": "django_verify.gates.memory.MemoryGate"},
    "GUARD_REFRESH": 3,
    "GUARD_LEVEL": "max",
    "GUARD_RECORD_ONLY": True,
    "GUARD_POLICY": {"BACKEND": "site.policies.SimSwaps"},
    "GUARD_RETENTION_DAYS": 7,
    "ROLLUP_RETENTION_DAYS": 60,
    "CURRENCY": "EUR",
    "MESSAGE_PRICE": 0,
    "SHOW_FRAUD_BLOCKS": True,
    "TRUSTED_PROXIES": 2,
}
KEYS = [field.name for field in dataclasses.fields(conf.Settings)]


@pytest.fixture(autouse=True)
def forgotten():
    """Leave no setting of a test behind: a deletion, and its end, are received to no receiver."""
    yield
    conf.forget()


def use(settings, **values):
    settings.DJANGO_VERIFY = values


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_its_default(key, settings):
    use(settings)
    assert getattr(conf.current(), key) == DEFAULTS[key]


def test_without_the_dictionary_the_defaults_hold(settings):
    del settings.DJANGO_VERIFY
    conf.forget()  # a deletion is received to no receiver
    assert conf.current() == conf.Settings()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set(key, settings):
    assert OTHERS[key] != DEFAULTS[key]
    use(settings, **{key: OTHERS[key]})
    changed = conf.current()
    assert getattr(changed, key) == OTHERS[key]
    rest = {name: getattr(changed, name) for name in KEYS if name != key}
    assert rest == {name: DEFAULTS[name] for name in KEYS if name != key}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("BASEURL", "BASE_URL"),
        ("base_url", "BASE_URL"),
        ("KEY", "KEYS"),
        ("SENDER", "SENDERS"),
        ("RECIPIENT_GUESSES_PER_DAI", "RECIPIENT_GUESSES_PER_DAY"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(key, meant, settings):
    use(settings, **{key: ""})
    with pytest.raises(ImproperlyConfigured, match=f"no key '{key}'. Did you mean '{meant}'"):
        conf.current()


@pytest.mark.parametrize("key", ["COLOUR", "", 7])
def test_a_key_like_no_other_gets_no_suggestion(key, settings):
    settings.DJANGO_VERIFY = {key: ""}
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.current()
    assert "Did you mean" not in str(caught.value)


def test_the_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        conf.current().BASE_URL = "https://elsewhere.example"


@pytest.mark.parametrize("key_id", ["k", "k1", "_", "A", "year_2026", "k" * 16])
def test_a_key_id_is_a_short_identifier(key_id, settings):
    use(settings, KEYS={key_id: SECRET})
    assert list(conf.key_ring()) == [key_id]


@pytest.mark.parametrize(
    "key_id", ["", "k" * 17, "k 1", "k-1", "k$1", "k1\n", "clé", "ｋ", "k.1"], ids=ascii
)
def test_another_key_id_is_refused(key_id, settings):
    use(settings, KEYS={key_id: SECRET})
    with pytest.raises(ImproperlyConfigured, match="is no key id"):
        conf.current()


def test_an_empty_secret_is_refused(settings):
    use(settings, KEYS={"k1": ""})
    with pytest.raises(ImproperlyConfigured):
        conf.key_ring()


@pytest.mark.parametrize("keys", [{1: SECRET}, {"k1": SECRET.encode()}, {"k1": None}], ids=str)
def test_a_key_of_another_type_is_refused(keys, settings):
    use(settings, KEYS=keys)
    with pytest.raises(ImproperlyConfigured):
        conf.key_ring()


@pytest.mark.parametrize("key", ["RECIPIENT_GUESSES_PER_DAY", "RECIPIENT_GUESSES_SINCE_APPROVAL"])
def test_a_budget_has_room_for_its_shares(key, settings):
    for number in (0, 7):
        use(settings, **{key: number})
        with pytest.raises(ImproperlyConfigured, match=r"8 or more|above zero"):
            conf.current()
    use(settings, **{key: 8})
    assert getattr(conf.current(), key) == 8


@pytest.mark.parametrize(
    "values",
    [
        {"GUARD_LEVEL": "high"},
        {"MESSAGE_PRICE": -1},
        {"MESSAGE_PRICE": "0.05"},
        {"CURRENCY": "usd"},
        {"CURRENCY": "USDT"},
    ],
    ids=str,
)
def test_an_unknown_level_price_or_currency_is_refused(values, settings):
    use(settings, **values)
    with pytest.raises(ImproperlyConfigured, match=next(iter(values))):
        conf.current()


@pytest.mark.parametrize("number", [0, -1, 1001])
def test_starts_per_day_are_bounded(number, settings):
    use(settings, RECIPIENT_STARTS_PER_DAY=number)
    with pytest.raises(ImproperlyConfigured, match=r"between 1 and 1000|above zero"):
        conf.current()


@pytest.mark.parametrize("number", [1, 1000])
def test_the_bounds_of_starts_per_day_are_allowed(number, settings):
    use(settings, RECIPIENT_STARTS_PER_DAY=number)
    assert number == conf.current().RECIPIENT_STARTS_PER_DAY


def test_the_ring_keeps_the_order_of_its_keys(settings):
    use(settings, KEYS={"b": SECRET + "b", "a": SECRET + "a"})
    assert list(conf.key_ring().items()) == [
        ("b", (SECRET + "b").encode()),
        ("a", (SECRET + "a").encode()),
    ]


def test_without_keys_the_ring_is_the_secret_key_and_its_fallbacks(settings):
    use(settings)
    settings.SECRET_KEY = SECRET + "now"
    settings.SECRET_KEY_FALLBACKS = [SECRET + "before"]
    ring = conf.key_ring()
    assert list(ring.values()) == [(SECRET + "now").encode(), (SECRET + "before").encode()]
    assert all(len(key_id) <= 16 and key_id.isidentifier() for key_id in ring)


def test_a_fingerprint_reports_nothing_of_the_secret(settings):
    use(settings)
    settings.SECRET_KEY = SECRET
    (key_id,) = conf.key_ring()
    assert key_id not in SECRET
    assert SECRET[:8] not in key_id


def test_the_repr_shows_no_secret(settings):
    options = {"auth_token": "the provider's token"}
    use(settings, KEYS={"k1": SECRET}, SENDERS={"x": {"BACKEND": "x", "OPTIONS": options}})
    assert SECRET not in repr(conf.current())
    assert "the provider's token" not in repr(conf.current())


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "https://a.internal",
        "a.internal:8000",
        "a.internal.",
        "10.0.0.0/33",
        "a/b",
        7,
        None,
    ],
    ids=repr,
)
def test_a_host_that_can_match_nothing_is_refused(entry, settings):
    use(settings, WEBHOOK_ALLOWED_HOSTS=["hooks.internal", entry])
    with pytest.raises(ImproperlyConfigured, match="WEBHOOK_ALLOWED_HOSTS"):
        conf.current()


@pytest.mark.parametrize(
    "entry", ["localhost", ".svc.cluster.local", "10.1.2.3", "10.0.0.1/8", "::1", "fd00::/8", "a_b"]
)
def test_hosts_domains_ips_and_networks_are_allowed(entry, settings):
    use(settings, WEBHOOK_ALLOWED_HOSTS=[entry])
    assert [entry] == conf.current().WEBHOOK_ALLOWED_HOSTS


@pytest.mark.parametrize("url", ["127.0.0.1", "memcached://127.0.0.1", "redis", 1], ids=str)
def test_another_store_of_the_limits_is_refused(url, settings):
    use(settings, RATE_LIMIT_STORE=url)
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMIT_STORE"):
        conf.current()


@pytest.mark.parametrize(
    "values",
    [
        *({"DISPATCH": "cellery"}, {"DISPATCH": ""}),
        *({"DELIVERY_REPORT_TIMEOUT": 0}, {"BREAKER_SECONDS": None}, {"BREAKER_SECONDS": 0}),
        *({"GUARD_REFRESH": 0}, {"GUARD_REFRESH": 5}, {"SHOW_FRAUD_BLOCKS": 1}),
        *({"TRUSTED_PROXIES": -1}, {"TRUSTED_PROXIES": True}, {"TRUSTED_PROXIES": "1"}),
    ],
    ids=str,
)
def test_an_unknown_engine_and_impossible_times_are_refused(values, settings):
    use(settings, **values)
    with pytest.raises(ImproperlyConfigured, match=next(iter(values))):
        conf.current()


@pytest.mark.parametrize(
    "values",
    [
        {"PROOF_KEYS": ["planted"]},
        {"PROOF_KEYS": {"": "planted"}},
        {"PROOF_KEYS": {"k" * 65: "planted"}},
        {"PROOF_KEYS": {"-----BEGIN planted": "2026"}},
        {"PROOF_KEYS": {"k\n": "planted"}},
        {"PROOF_KEYS": {1: "planted"}},
        {"PROOF_KEYS": {"k": ""}},
        {"PROOF_KEYS": {"k": b"planted"}},
        {"PROOF_AUDIENCE": ["planted"]},
        {"PROOF_LIFETIME": 0},
    ],
    ids=ascii,
)
def test_settings_of_proofs_are_refused_without_being_shown(values, settings):
    use(settings, **values)
    with pytest.raises(ImproperlyConfigured, match=next(iter(values))) as caught:
        conf.current()
    assert "planted" not in str(caught.value)


def test_the_repr_shows_no_key_of_proofs(settings):
    use(settings, PROOF_KEYS={"k": "planted"})
    assert "planted" not in repr(conf.current())


def test_the_repr_shows_no_password_of_the_store(settings):
    use(settings, RATE_LIMIT_STORE="redis://:planted@127.0.0.1:6379/0")
    assert "planted" not in repr(conf.current())


def test_an_override_takes_effect_at_once_and_ends_at_once():
    before = conf.current()
    with override_settings(DJANGO_VERIFY={"DELIVERY_LEASE": 7}):
        assert conf.current().DELIVERY_LEASE == 7
        with override_settings(DJANGO_VERIFY={"DELIVERY_LEASE": 8}):
            assert conf.current().DELIVERY_LEASE == 8
        assert conf.current().DELIVERY_LEASE == 7
    assert conf.current() == before


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_an_override_of_the_secret_key_takes_effect_at_once(name):
    before = conf.key_ring()
    with override_settings(**{name: SECRET if name == "SECRET_KEY" else [SECRET]}):
        assert SECRET.encode() in conf.key_ring().values()
    assert conf.key_ring() == before


def test_another_setting_forgets_nothing():
    before = conf.current()
    with override_settings(LANGUAGE_CODE="de"):
        assert conf.current() is before


@pytest.mark.parametrize(
    "module",
    [
        "",
        ".conf",
        ".crypto.codes",
        ".contact.phones",
        ".contact.emails",
        ".sids",
        ".exceptions",
        ".signals",
        ".senders",
        ".messages.channels",
    ],
)
def test_importing_needs_no_settings(module):
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    code = f"import django_verify{module}; print(django_verify.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".") == 2


def test_the_settings_have_one_reader():
    """`django.conf` is imported by conf alone, for the name of the site's user model, and by the
    emulator, which is a site and configures itself. The test kit changes them, as tests do."""
    package = ROOT / "django_verify"
    readers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "migrations" not in path.parts
        and "django.conf import settings" in path.read_text(encoding="utf-8")
    }
    assert readers == {"conf/__init__.py", "emulator/site.py", "testing/kit.py", "users/models.py"}
