"""Every sample of the documentation: what can run runs, and what cannot names only what there is."""

import ast
import configparser
import importlib
import json
import re
import subprocess
import textwrap
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import get_commands, load_command_class
from django.test import override_settings

from django_verify import conf
from django_verify.models import Account, VerifyService
from docs import commands

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(r"django_verify(\.\w+)+")
SETTINGS = {field.name for field in fields(conf.Settings)}
# Commands of others that our pages name.
OTHERS = {
    *("check", "createsuperuser", "loaddata", "migrate", "runserver", "shell"),  # Django's
    *("db_worker", "spectacular", "serve", "test"),
}

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
                module = importlib.import_module(node.module)
                for name in node.names:
                    there = hasattr(module, name.name)
                    assert there or importlib.import_module(f"{node.module}.{name.name}"), text
            elif isinstance(node, ast.Constant) and DOTTED.fullmatch(str(node.value)):
                assert located(node.value), node.value


def located(path):
    """Whether a dotted path is a module of the package, or what one of them has."""
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), name)


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
        assert name in ours or name in OTHERS, name
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


@pytest.mark.django_db
def test_scripts_of_the_shell_run():
    scripts = [
        found
        for page in PAGES
        for text in samples(page, "console")
        for found in re.findall(r'shell -c "\n(.*?)\n"$', text, re.MULTILINE | re.DOTALL)
    ]
    assert len(scripts) == 2
    Account.objects.create(friendly_name="Shop")
    for script in scripts:
        exec(compile(script, "shell", "exec"), {})
    assert VerifyService.objects.filter(friendly_name="Shop", client_enabled=True).count() == 2


# The answers, which run as they stand ------------------------------------------------------


ANSWERS = ROOT / "docs/how-do-i.md"


def test_the_answers_run(verify_kit, verify_service, monkeypatch):
    site = {"service": verify_service, "account": verify_service.account}
    site |= {"account_sid": verify_service.account.sid, "auth_token": "token"}
    monkeypatch.setenv("TWILIO_TOKEN", "token")
    monkeypatch.setattr("builtins.input", lambda _: verify_kit.code("+14155552671"))
    for text in samples(ANSWERS, "python"):
        done = {}
        exec(compile(text, ANSWERS.name, "exec"), site, done)
        settings = done.pop("DJANGO_VERIFY", None)
        site |= done
        if settings is not None:
            with override_settings(DJANGO_VERIFY=settings):
                assert not [m for m in checks.run_checks() if m.is_serious()], text
    assert site["verification"].valid
    assert site["why"] is None
    assert "is your" in verify_kit.outbox[-1].body
