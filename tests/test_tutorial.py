"""The tutorial is followed to the letter, in an empty folder, as a reader does."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import PATIENCE
from tests.testing.test_sample import LEFT_OUT

PAGE = Path(__file__).parents[1] / "docs/tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PHONE = "+14155552671"
# What the reader does on a machine of their own: an environment, and what is installed there.
THERE_ALREADY = ("mkdir ", "cd ", "python3 -m venv", ". .venv", "pip install")
# What a check finds about a new project ends it, and is not of this package alone.
ONE_BY_ONE = """
import contextlib, os
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
for words in %r:
    with contextlib.suppress(SystemExit):
        execute_from_command_line(["manage.py", *words])
print("all done")
"""

pytestmark = pytest.mark.once


class Reader:
    """Does what the blocks of the page say, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        left_out = ("PYTEST_", "COV_", "DJANGO_", "DATABASE_URL", "REDIS_URL")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}

    def write(self, text):
        """Write a file, or add to it, as the comment in its first line says."""
        name, _, place = text.splitlines()[0].removeprefix("# ").partition(", ")
        path = self.folder / name
        assert place in {"", "at the end"}
        path.write_text((path.read_text() if place else "") + text)

    def command(self, line):
        """Return a command as this machine has it."""
        words = shlex.split(line)
        programs = {"django-admin": ["-m", "django"], "pytest": ["-m", "pytest"], "python": []}
        return [sys.executable, *programs[words[0]], *words[1:]]

    def run(self, text):
        """Run the commands of one block, and return what they print."""
        lines = [text] if ' -c "' in text else text.strip().splitlines()
        return "".join(
            self.call(self.command(line)) for line in lines if not line.startswith(THERE_ALREADY)
        )

    def call(self, command):
        """Run one command, and return what it prints."""
        if "pytest" in command:
            command += [*LEFT_OUT, "--no-migrations"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def manage(self, lines):
        """Run commands of `manage.py` in one process, once each."""
        words = [shlex.split(line.replace(" --loop", ""))[2:] for line in lines]
        return self.call([sys.executable, "-c", ONE_BY_ONE % words])

    def serve(self, text, walk):
        """Run the server of a block on a free port while `walk` visits it."""
        command = [*self.command(text.strip()), "--noreload", "0"]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                walk(process.stdout)
            finally:
                process.kill()


def blocks():
    """Yield language and text of each block, in the page's order."""
    yield from BLOCK.findall(PAGE.read_text())


def visit(site, url):
    """Verify a number as a browser does, by the code in the terminal."""
    session = requests.Session()
    page = session.get(f"{url}/verify/", timeout=PATIENCE)
    form = {**hidden(page), "number": "+1 415 555 2671", "channel": "sms"}
    page = session.post(page.url, form, timeout=PATIENCE)
    code = next(found[1] for line in site if (found := re.search(r"code is: (\d+)", line)))
    answer = session.post(page.url, {**hidden(page), "code": code}, timeout=PATIENCE)
    assert answer.url == f"{url}/verify/done/", answer.text


def hidden(page):
    """Return the fields of a page that a browser sends by itself."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    return {name: value for name, value in fields if value}


def walk(output):
    """Find out where the server listens, and visit it."""
    found = next(f for line in output if (f := re.search(r"http://127\.0\.0\.1:\d+", line)))
    visit(output, found[0])


def test_the_tutorial(tmp_path):
    reader, deployment, printed = Reader(tmp_path), [], ""
    for language, text in blocks():
        if language in {"python", "ini"}:
            reader.write(text)
        elif "runserver" in text:
            reader.serve(text, walk)
        elif language == "console" and "passed" in printed:
            deployment += [line for line in text.strip().splitlines() if "pip" not in line]
        elif language == "console":
            printed = reader.run(text)
    assert "2 passed" in printed
    assert "deliverattempts" in deployment[1]
    done = reader.manage(deployment)
    assert "django_verify.W013" in done
    assert "0 attempts claimed" in done
    assert "all done" in done
