"""Emulators in processes of their own, as the programs that use one have it."""

import json
import os
import select
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import coverage
import pytest
import requests

from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]


def command():
    """How the emulator is started; what measures this process measures it too."""
    measured = []
    if coverage.Coverage.current() is not None:
        measured = ["-m", "coverage", "run", "--parallel-mode", f"--rcfile={ROOT}/pyproject.toml"]
    return [sys.executable, *measured, "-m", "django_verify", "emulator"]


def first_line(process):
    """What a process prints first. Fails when it prints nothing, and ends."""
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    assert line, process.stderr.read()
    return line


@contextmanager
def running(*options):
    """An emulator on a port of its own: its facts, and requests to it by path."""
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [*command(), "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        facts = json.loads(first_line(process))
        with requests.Session() as session:
            session.auth = (facts["account_sid"], facts["auth_token"])

            def call(method, path, **values):
                return session.request(method, facts["base_url"] + path, timeout=PATIENCE, **values)

            yield SimpleNamespace(**facts, call=call, process=process)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def emulators():
    """`emulators(options…)` starts one, or returns the one of these options."""
    with ExitStack() as stack:
        started = {}

        def start(*options):
            if options not in started:
                started[options] = stack.enter_context(running(*options))
            return started[options]

        yield start


@pytest.fixture
def emulator(emulators):
    """The emulator without options, as at its start but for its rows."""
    found = emulators()
    yield found
    for path in ("messages", "clock", "reports", "failures"):
        found.call("DELETE", f"/emulator/{path}")
