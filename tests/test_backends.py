"""The loader of senders, push senders, gates, SNA and carrier look-ups: one suite over all kinds."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_verify import gates, push_senders, senders
from django_verify.conf import backends
from django_verify.gates.memory import MemoryGate
from django_verify.push_senders.apn import ApnSender
from django_verify.senders.email import EmailSender
from django_verify.verifications import carrier_lookup, sna


class PaidLookup(carrier_lookup.CarrierLookup):
    """A look-up of a host."""

    def __init__(self, *, api_key=""):
        self.api_key = api_key


class Open(EmailSender):
    """A sender of a host that passes its options on."""

    def __init__(self, alias, **options):
        super().__init__(alias, **options)


# The key, its alias, what builds it, and a class with one of its options, well and badly spelled.
KINDS = {
    "sender": ("SENDERS", "fcm", senders.configured, EmailSender, "from_email", "fromemail"),
    "push": ("PUSH_SENDERS", "fcm", push_senders.configured, ApnSender, "team_id", "team"),
    "gate": ("BOT_PROTECTION", None, gates.configured, MemoryGate, "password", "pasword"),
    "sna": ("SNA", None, sna.configured, sna.Simulator, "carrier", "carier"),
    "lookup": ("CARRIER_LOOKUP", None, carrier_lookup.configured, PaidLookup, "api_key", "apikey"),
}


def path(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


@pytest.fixture(params=KINDS)
def kind(request, settings):
    """Return a function that configures an entry and builds it, and the row of the kind."""
    key, alias, configured, *row = KINDS[request.param]

    def build(entry):
        settings.DJANGO_VERIFY = {key: {alias: entry} if alias else entry}
        built = configured()
        return built[alias] if alias else built

    where = f"DJANGO_VERIFY['{key}']" + (f"['{alias}']" if alias else "")
    return build, where, *row


def refusal(build, entry):
    with pytest.raises(ImproperlyConfigured) as caught:
        build(entry)
    return str(caught.value)


def test_a_class_with_options_is_built_once_until_the_settings_change(kind):
    build, _, cls, option, _ = kind
    built = build({"BACKEND": path(cls), "OPTIONS": {option: "x"}})
    assert type(built) is cls
    again = build({"BACKEND": path(cls), "OPTIONS": {option: "x"}})
    assert type(again) is cls
    assert again is not built


def test_what_is_built_is_kept(settings):
    settings.DJANGO_VERIFY = {
        "SENDERS": {"it": path(EmailSender)},
        "BOT_PROTECTION": path(MemoryGate),
    }
    assert senders.get("it") is senders.get("it") is senders.configured()["it"]
    assert gates.configured() is gates.configured()
    kept = gates.configured()
    settings.LANGUAGE_CODE = "de"
    assert gates.configured() is kept
    backends.forget()
    assert gates.configured() is not kept


def test_a_path_alone_is_a_class_without_options(kind):
    build, _, cls, *_ = kind
    assert type(build(path(cls))) is cls


def test_an_unknown_option_is_refused_with_the_nearest_one(kind):
    build, where, cls, option, misspelled = kind
    received = refusal(build, {"BACKEND": path(cls), "OPTIONS": {misspelled: "x"}})
    assert received == f"{where}: unknown option {misspelled!r}. Did you mean {option!r}?"
    received = refusal(build, {"BACKEND": path(cls), "OPTIONS": {"zzz": "x"}})
    assert received == f"{where}: unknown option 'zzz'."


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({}, "BACKEND must be a dotted path."),
        ({"OPTIONS": {}}, "BACKEND must be a dotted path."),
        ({"BACKEND": 7}, "BACKEND must be a dotted path."),
        (7, "BACKEND must be a dotted path."),
        ({"BACKEND": "a.B", "option": {}}, "unknown key 'option'. Did you mean 'OPTIONS'?"),
        ({"BACKEND": "a.B", "OPTIONS": None}, "OPTIONS must be a dictionary."),
        ("nowhere.Backend", "No module named 'nowhere'"),
        ("Backend", "Backend doesn't look like a module path"),
        ("builtins.str", "<class 'str'> is no "),
        ("django_verify.verifications.sna.serve", "is no "),
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_read(kind, entry, sentence):
    build, where, *_ = kind
    received = refusal(build, entry)
    assert received.startswith(f"{where}: ")
    assert sentence in received


def test_an_error_while_a_backend_is_built_names_its_entry(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"bad": "django_verify.senders.file.FileSender"}}
    with pytest.raises(ImproperlyConfigured, match=r"\['SENDERS'\]\['bad'\]: .*'path'"):
        senders.configured()


def test_a_class_that_takes_any_option_states_itself_which_it_knows(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"it": {"BACKEND": path(Open), "OPTIONS": {"x": 1}}}}
    with pytest.raises(ImproperlyConfigured, match=r"\['SENDERS'\]\['it'\]: .*'x'"):
        senders.configured()


def test_the_alias_is_no_option(settings):
    entry = {"BACKEND": path(EmailSender), "OPTIONS": {"alias": "x"}}
    settings.DJANGO_VERIFY = {"SENDERS": {"it": entry}}
    with pytest.raises(ImproperlyConfigured, match="unknown option 'alias'"):
        senders.configured()


def test_an_unknown_alias_is_refused_with_the_nearest_one(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"first": path(EmailSender)}}
    with pytest.raises(ImproperlyConfigured, match=r"has no 'frist'\. Did you mean 'first'\?\Z"):
        senders.get("frist")
    with pytest.raises(ImproperlyConfigured, match=r"has no 'x'\.\Z"):
        senders.get("x")


@pytest.mark.parametrize("platform", ["gcm", "none"])
def test_a_platform_that_does_not_exist(platform, settings):
    settings.DJANGO_VERIFY = {"PUSH_SENDERS": {platform: path(ApnSender)}}
    with pytest.raises(ImproperlyConfigured, match=f"unknown alias '{platform}'"):
        push_senders.configured()
