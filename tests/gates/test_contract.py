"""What every gate owes its callers, proved on each file of `django_verify/gates`.

A new gate needs one entry in `CASES`: how to build it, and a token that it takes.
"""

import ast
import importlib
import inspect
import logging
import pkgutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_verify import exceptions, gates
from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates import Gate, Result
from tests.gates import fakes
from tests.gates.attestations import APP, Device, apple
from tests.gates.conftest import CLASSES, backend, verify
from tests.gates.fakes import HOST, IP, PHONE, SECRET

#: Modules that gates share.
SHARED = {"admission", "app_tokens", "base", "siteverify"}
REASONS = {
    *("missing", "invalid", "expired", "used", "wrong_host", "wrong_site", "wrong_action"),
    *("wrong_subject", "wrong_app", "wrong_device", "low_score"),
}


@dataclass
class Case:
    """The options of a gate, and a good token; both are received the provider's fake."""

    options: Callable
    token: Callable
    provider: type | None = None
    #: Why it is for development, where it is.
    development: str = ""


def site(provider, **options):
    return Case(
        lambda fake: {"secret": SECRET, "hostnames": [HOST], "endpoint": fake.url} | options,
        lambda fake: f"good-{len(fake.asked)}",
        provider,
    )


CASES = {
    "turnstile": site(fakes.Turnstile),
    "hcaptcha": site(fakes.HCaptcha, sitekey=fakes.HCaptcha.sitekey),
    "recaptcha": site(fakes.Recaptcha),
    "play_integrity": Case(
        lambda fake: {
            "package_name": fake.package,
            "service_account": fake.service_account(),
            "endpoint": fake.url,
        },
        lambda fake: fake.issue("start", PHONE, name=f"n{len(fake.asked)}"),
        fakes.Google,
    ),
    "app_attest": Case(
        lambda fake: {"app_id": APP, "root": apple().pem}, lambda fake: Device().token()
    ),
    "memory": Case(
        lambda fake: {}, lambda fake: "open sesame".replace(" ", "-"), development="a password"
    ),
    "choice": Case(
        lambda fake: {
            "gates": {
                "web": {
                    "BACKEND": backend("turnstile"),
                    "OPTIONS": {"secret": SECRET, "hostnames": [HOST], "endpoint": fake.url},
                },
                "ios": {
                    "BACKEND": backend("app_attest"),
                    "OPTIONS": {"app_id": APP, "root": apple().pem},
                },
            }
        },
        lambda fake: f"web:good-{len(fake.asked)}",
        fakes.Turnstile,
    ),
}


def discover():
    """Module name → the gates it defines."""
    names = [info.name for info in pkgutil.iter_modules(gates.__path__) if info.name not in SHARED]
    modules = {name: importlib.import_module(f"{gates.__name__}.{name}") for name in names}
    return {
        name: [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Gate)
            and value.__module__ == module.__name__
        ]
        for name, module in modules.items()
    }


GATES = discover()
every_gate = pytest.mark.parametrize("name", GATES)


@pytest.fixture
def built(gate_of, fake):
    """`built(name)`: a gate with good options, and the fake that it asks."""

    def built(name, **more):
        provider = fake(CASES[name].provider) if CASES[name].provider else None
        return gate_of(name, **CASES[name].options(provider) | more), provider

    return built


@every_gate
def test_a_file_is_one_gate_with_a_case(name):
    assert len(GATES[name]) == 1, f"django_verify/gates/{name}.py must define one Gate"
    assert name in CASES, f"django_verify/gates/{name}.py has no entry in CASES of this file"
    (kind,) = GATES[name]
    assert kind.name == name
    assert CLASSES[name] == kind.__name__


def test_the_table_has_no_stale_entry():
    assert set(CASES) == set(GATES) == set(CLASSES)


@every_gate
def test_a_good_token_gets_a_result_that_outlives_it(name, built):
    gate, provider = built(name)
    result = verify(gate, CASES[name].token(provider))
    assert isinstance(result, Result)
    assert isinstance(result.token_key, str)
    assert result.token_key
    assert 0 < result.lifetime <= 3600
    assert result.token_key not in repr(result)


@every_gate
def test_its_check_finds_nothing_wrong_with_good_options(name, built):
    gate, _ = built(name)
    assert list(gate.check()) == []
    assert bool(gate.development) == bool(CASES[name].development)


@every_gate
def test_no_token_is_missing_and_strange_ones_are_invalid(name, built):
    gate, provider = built(name)
    for token, found in [
        ("", "missing"),
        ("\0", "invalid"),
        ("a b", "invalid"),
        ("x" * 30_000, "invalid"),
        ("\ud800", "invalid"),
        ("é", "invalid"),
    ]:
        with pytest.raises(GateRefused) as caught:
            verify(gate, token)
        assert caught.value.reason == found
    assert provider is None or provider.asked == []


@every_gate
def test_a_token_of_nobody_is_refused(name, built):
    gate, _ = built(name)
    for token in ("nobody", "web:nobody", "elsewhere:good-1", "1.1700000000.YQ.YQ"):
        with pytest.raises(GateRefused) as caught:
            verify(gate, token)
        assert caught.value.reason in REASONS


@every_gate
def test_it_refuses_an_unknown_option(name, built):
    with pytest.raises(
        ImproperlyConfigured, match=r"DJANGO_VERIFY\['BOT_PROTECTION'\].*no_such_option"
    ):
        built(name, no_such_option=1)


@every_gate
def test_it_fails_open_only_where_that_is_stated(name, built):
    gate, _ = built(name)
    assert gate.fails_open("web:good-1") is False
    if "fail_open" in inspect.signature(GATES[name][0]).parameters:
        gate, _ = built(name, fail_open=True)
        assert gate.fails_open("good-1") is True


@every_gate
def test_a_provider_that_breaks_down_is_unavailable(name, built, caplog):
    gate, provider = built(name)
    if provider is None:
        return
    token = CASES[name].token(provider)
    provider.fault = (500, f"<h1>{token} {SECRET}".encode())
    with caplog.at_level(logging.DEBUG), pytest.raises(GateUnavailable) as caught:
        verify(gate, token)
    assert caught.value.reason == "unavailable"
    received = [caplog.text, *traceback.format_exception(caught.value)]
    for secret in (token, SECRET, PHONE, IP):
        assert not [text for text in received if secret in text]


@every_gate
def test_its_repr_shows_no_option(name, built):
    gate, provider = built(name)
    assert not [v for v in CASES[name].options(provider).values() if str(v) in repr(gate)]


@every_gate
def test_its_file_states_what_it_is_for(name):
    (kind,) = GATES[name]
    assert (sys.modules[kind.__module__].__doc__ or "").strip()
    assert (kind.__doc__ or "").strip()


@every_gate
def test_it_imports_no_sibling_no_settings_and_no_models(name):
    tree = ast.parse(Path(sys.modules[GATES[name][0].__module__].__file__).read_text("utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    siblings = {f"{gates.__name__}.{other}" for other in GATES if other != name}
    forbidden = {"django.conf", "django.db", "django_verify.conf", "django_verify.models"}
    assert not (siblings | forbidden | {"random", "requests"}) & found


def test_the_base_promises_nothing_by_itself():
    gate = Gate()
    assert (gate.development, gate.fail_open, list(gate.check())) == (False, False, [])
    with pytest.raises(NotImplementedError):
        verify(gate, "x")


def test_the_reasons_are_those_of_the_docs():
    page = (Path(__file__).parents[2] / "docs/gates.md").read_text(encoding="utf-8")
    received = exceptions.GateRefused.__doc__ + exceptions.GateUnavailable.__doc__
    for reason in REASONS | {"unavailable", "misconfigured", "unreadable"}:
        assert f"`{reason}`" in page
        assert f"`{reason}`" in received


@pytest.mark.parametrize(
    ("choices", "sentence"), [({}, "gates is empty"), ({"a": {}}, "'a': BACKEND must be")], ids=str
)
def test_a_choice_that_cannot_be_read(choices, sentence, gate_of):
    with pytest.raises(ImproperlyConfigured, match=sentence):
        gate_of("choice", gates=choices)


def test_a_choice_asks_the_gate_that_the_token_names(gate_of):
    memory = {"BACKEND": backend("memory")}
    choices = {
        "a": memory | {"OPTIONS": {"password": "open-a", "fail_open": True}},
        "b": memory | {"OPTIONS": {"password": "open-b"}},
    }
    gate = gate_of("choice", gates=choices)
    assert verify(gate, "a:open-a").token_key == "a:open-a"
    assert verify(gate, "b:open-b:open-a").token_key == "b:open-b:open-a"
    for token in ("b:open-a", "open-a", ":open-a", "a", "c:open-a"):
        with pytest.raises(GateRefused):
            verify(gate, token)
    assert gate.fails_open("a:down")
    assert not gate.fails_open("b:down")
    assert not gate.fails_open("c:down")
    assert gate.development
