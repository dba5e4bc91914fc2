"""Every sample of the documentation: what can run runs, and what cannot names only what there is."""

import ast
import base64
import configparser
import datetime as dt
import importlib
import json
import os
import re
import shutil
import subprocess
import textwrap
import tomllib
from dataclasses import fields
from pathlib import Path
from unittest.mock import Mock

import pyotp
import pytest
from django.apps import AppConfig
from django.contrib.auth.models import User
from django.core import checks
from django.core.management import get_commands, load_command_class
from django.test import override_settings
from django.urls import include, path
from django.utils import timezone
from django.views import generic
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet
from standardwebhooks import Webhook

from django_verify import conf, factors, verifications
from django_verify.models import RateLimit
from django_verify.senders import Sender
from django_verify.users import verified_phones
from docs import commands

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(r"django_verify(\.\w+)+")
SETTINGS = {field.name for field in fields(conf.Settings)}
# Commands of other packages that our pages name, beside Django's.
OTHERS = {"db_worker", "serve", "spectacular"}

pytestmark = pytest.mark.portable
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def samples(page, *languages):
    """Return the samples of a page in some languages, without the indentation of a list."""
    found = FENCE.findall(page.read_text())
    return [textwrap.dedent(text) for _, language, text in found if language in languages]


def parsed(text):
    """Return the tree of a sample: a module, or entries of a dictionary or of a call."""
    text = text.replace("[..., ", "[").replace("…", "...")
    for form in (text, f"{{\n{text}\n}}", f"f(\n{text}\n)"):
        try:
            return ast.parse(form)
        except SyntaxError as error:
            fault = error
    raise fault


def keys(tree):
    """Yield the names of our settings that a sample sets."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "DJANGO_VERIFY"
            and isinstance(node.value, ast.Dict)
        ):
            yield from (key.value for key in node.value.keys if key)


@every_page
def test_what_a_sample_in_python_names_is_there(page):
    for text in samples(page, "python"):
        tree = parsed(text)
        assert set(keys(tree)) <= SETTINGS, text
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("django_verify"):
                module = there(node.module)
                for name in node.names if module else ():
                    if not hasattr(module, name.name):
                        there(f"{node.module}.{name.name}")
            elif isinstance(node, ast.Constant) and DOTTED.fullmatch(str(node.value)):
                assert located(node.value), node.value


def there(name):
    """Return a module of ours, or None where it needs a library or an app that is not here."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert not error.name.startswith("django_verify"), name
    except RuntimeError as error:
        assert "INSTALLED_APPS" in str(error), name
    return None


def located(dotted):
    """Whether a dotted path is a module of the package, or what one of them has."""
    module, _, name = dotted.rpartition(".")
    parent = there(module)
    return parent is None or hasattr(parent, name) or there(dotted)


@every_page
def test_data_can_be_read(page):
    for text in samples(page, "json"):
        json.loads(text)
    for text in samples(page, "toml"):
        tomllib.loads(text)
    for text in samples(page, "ini"):
        for part in re.split(r"\n(?=# /etc)", text):
            reader = configparser.ConfigParser(strict=False, interpolation=None)
            reader.read_string(part if re.search(r"^\[", part, re.M) else f"[x]\n{part}")


COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: +--?[\w-]+| +\S+)*)")


@every_page
def test_commands_and_their_options_are_there(page):
    ours, text = commands.commands(), page.read_text()
    shell = "\n".join(samples(page, "console", "sh", "ini", ""))
    named = re.findall(r"`[^`]*manage\.py[^`]*`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for name, rest in COMMAND.findall(shell + "\n" + "\n".join(named)):
        assert name in ours or name in OTHERS or name in get_commands(), name
        if name in ours:
            parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
            options = re.findall(r"(?<!\S)(--[\w-]+)", rest.split("#")[0])
            assert set(options) <= set(parser._option_string_actions), (name, options)


def test_targets_of_make_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        used = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", page.read_text(), re.MULTILINE)
        assert {name for pair in used for name in pair if name} <= targets, page.name


@pytest.mark.once
def test_shells_can_read_the_commands():
    scripts = [text for page in PAGES for text in samples(page, "console", "sh")]
    assert len(scripts) > 20
    for text in scripts:
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, (text, done.stderr)


@pytest.mark.once
def test_node_can_read_the_samples_in_javascript(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on the path")
    scripts = [text for page in PAGES for text in samples(page, "js", "javascript")]
    for number, text in enumerate(scripts):
        (tmp_path / f"{number}.mjs").write_text(text)
        done = subprocess.run(
            [node, "--check", f"{number}.mjs"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, (text, done.stderr)


# Samples that run ---------------------------------------------------------------------------


ANSWERS = "how-do-i.md"
PHONE = "+14155552671"
# What pages take for granted: classes and functions, and names that do nothing here.
IMPORTED = (
    *(APIView, AppConfig, BasePermission, CreateAPIView, IsAuthenticated, ModelViewSet, Sender),
    include,
)
NOBODY = "HttpResponseForbidden Response TransferSerializer app client log redirect scope".split()
VARIABLE = re.compile(r"""environ(?:\.get\(|\[)["']([A-Z0-9_]+)""")
# The beginning of a sample that another test runs, or that takes what only a real other side has.
RUN_ELSEWHERE = {
    "fraud.md": {"# shop/policies.py": "tests/fraud/test_policies.py", "# settings.py": "the same"},
    "integrations.md": {"": "needs other packages: tests/integrations"},
    "lookups.md": {"from twilio": "asks a site on the network: tests/lookups"},
    "proofs.md": {
        "import jwt": "asks a site on the network: tests/proofs",
        "from django.contrib": "tests/mobile/test_fields.py",
        "DJANGO_VERIFY": "a file of a server",
    },
    "passkeys.md": {"def call": "asks a site and a browser: tests/example_project"},
    "error-reports.md": {"import sentry_sdk": "tests/error_reports", "from sentry": "the same"},
    "senders.md": {
        "DJANGO_VERIFY": "the sender of the last sample: tests/senders",
        '"success": ("", "OK*")': "alternatives of one key: tests/senders/test_http.py",
    },
    "tutorial.md": {"": "tests/test_tutorial.py"},
    "testing.md": {"": "tests/testing/test_sample.py"},
}


# What stands in a sample for a value that is made as it runs.
SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
MADE = {
    "factors.md": {'"482913"': "code_of(factor, 0)", '"110467"': "code_of(factor, 1)"},
    "webhooks.md": {"whsec_…": SECRET},
}


def code_of(factor, steps):
    """The code that an authenticator app shows now, or some steps later."""
    secret = factors.get("totp").binding(factor)["secret"]
    return pyotp.TOTP(secret).at(timezone.now() + dt.timedelta(seconds=30 * steps))


def signed(request):
    """A request of a webhook, as its receiver gets it."""
    moment = timezone.now()
    signature = Webhook(SECRET).sign("id", moment, request.body.decode())
    request.META |= {
        "HTTP_WEBHOOK_ID": "id",
        "HTTP_WEBHOOK_TIMESTAMP": str(int(moment.timestamp())),
        "HTTP_WEBHOOK_SIGNATURE": signature,
        "HTTP_X_TWILIO_SIGNATURE": "",
    }
    return request


@pytest.fixture
def given(page, verify_kit, verify_service, rf, monkeypatch):
    """The names that pages take for granted."""
    monkeypatch.setattr("builtins.input", lambda _: verify_kit.code(PHONE))
    for name in VARIABLE.findall(page.read_text()):
        monkeypatch.setenv(name, "x" * 40)
    verification = verifications.start(verify_service, "+14155552679")
    form = "to=%2B14155552671&proof="
    request = signed(rf.post("/", form, "application/x-www-form-urlencoded"))
    request.session, request.user = {}, User.objects.create_user("ann")
    names = (
        vars(generic)
        | {
            # What a page's first samples, or other files of a site, have imported.
            **{one.__name__: one for one in IMPORTED},
            "os": os,
            "path": path,
            "timedelta": dt.timedelta,
            "verifications": verifications,
            # What a site has.
            "account": verify_service.account,
            "service": verify_service,
            "account_sid": verify_service.account.sid,
            "auth_token": "token",
            "sid": verify_service.sid,
            "verification": verification,
            "attempt": verification.attempts.get(),
            "request": request,
            "user": request.user,
            "phone": verified_phones.confirm(request.user, "+14155552677"),
            "INSTALLED_APPS": [],
            "MIDDLEWARE": [],
            "SINCH_PLAN": "plan",
            "SINCH_TOKEN": "token",
            # What it is asked for.
            "identity": "user-0001",
            "ip": "192.0.2.1",
            "number": verification.to,
            "code": "000000",
            "number_as_given": PHONE,
            "to": "+14155552678",
            "token": "",
            "factor_sid": "YF" + 32 * "0",
            "url": "https://www.example.com/hook?bodySHA256=00",
            "code_of": code_of,
            "now": timezone.now(),
            "since": timezone.now(),
            "f": dict,
        }
        | dict.fromkeys(NOBODY, Mock())
    )
    if page.name == "ratelimits.md":
        RateLimit.objects.create(service=verify_service, unique_name="end_user_ip_address")
    return names


def run(text, names):
    """Run a sample, and build what its settings name."""
    exec(compile(parsed(text), "a sample", "exec"), names)
    if settings := names.pop("DJANGO_VERIFY", None):
        with override_settings(DJANGO_VERIFY=settings):
            assert not [found for found in checks.run_checks() if found.is_serious()], text


@pytest.mark.verify_service(friendly_name="Shop")
@pytest.mark.django_db
@pytest.mark.parametrize(
    "page", [page for page in PAGES if samples(page, "python")], ids=lambda page: page.name
)
def test_samples_in_python_run(page, given):
    elsewhere = RUN_ELSEWHERE.get(page.name, {})
    for text in samples(page, "python"):
        for shown, made in MADE.get(page.name, {}).items():
            text = text.replace(shown, made)
        if not text.startswith(tuple(elsewhere)):
            run(text, given)
    if page.name == ANSWERS:
        assert given["verification"].valid
        assert given["why"] is None
