"""A sample site tests its own sign-up with the kit, in processes of its own and in any order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from django_verify.testing import plugin
from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests/testing/sample/sign_up_tests.py"
# Plugins that this repository's tests have besides; some take a second to import.
NAMES = ("cacheprovider", "schemathesis", "hypothesispytest", "anyio", "pytest_cov", "socket")
LEFT_OUT = [f"-pno:{name}" for name in NAMES]


def run(tmp_path, *arguments, database=""):
    """Run pytest as in a project of its own: without this repository's options and fixtures."""
    options = tmp_path / "pytest.ini"
    options.write_text(
        "[pytest]\nDJANGO_SETTINGS_MODULE = tests.testing.sample.settings\n"
        f"pythonpath = {ROOT}\naddopts = --strict-markers --strict-config --noconftest\n"
        "filterwarnings = error\n"
    )
    # pytest-django has put this run's settings there, which would come before the file's.
    others = ("PYTEST_", "COV_", "DJANGO_SETTINGS_MODULE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    environment.pop("DATABASE_URL", None)
    if database:
        environment["DATABASE_URL"] = database
    command = [sys.executable, "-m", "pytest", "-c", str(options), "--no-migrations"]
    return subprocess.run(
        [*command, *LEFT_OUT, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE,
    )


def own_database():
    """The URL of a database for the sample beside those of this run; SQLite's is in memory."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return ""
    scheme = "postgres" if connection.vendor == "postgresql" else "mysql"
    password = f":{given['PASSWORD']}" if given["PASSWORD"] else ""
    name = given["NAME"].removeprefix("test_")
    host = f"{given['HOST']}:{given['PORT']}" if given["PORT"] else given["HOST"]
    return f"{scheme}://{given['USER']}{password}@{host}/{name}_sample"


# Marked, so that a run on another database has it: the sample makes one of its own there.
@pytest.mark.django_db
def test_the_sample_tests_its_sign_up(tmp_path):
    # Each process makes a database, which takes a server long.
    processes = "-n2" if connection.vendor == "sqlite" else "-n1"
    done = run(tmp_path, processes, str(SAMPLE), database=own_database())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^=* ?15 passed", done.stdout, re.MULTILINE), done.stdout


def test_a_whole_sign_up_takes_less_than_ten_lines():
    text = SAMPLE.read_text()
    (body,) = re.findall(r"^def test_sign_up\(.*?(?=^\S)", text + "x", re.MULTILINE | re.DOTALL)[:1]
    assert len(body.strip().splitlines()) < 10


def test_the_samples_of_the_page_compile_and_name_what_there_is():
    page = (ROOT / "docs/testing.md").read_text()
    samples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(samples) > 5
    for sample in samples:
        compile(sample, "docs/testing.md", "exec")
    fixtures = {name for name in vars(plugin) if re.match(r"verify_|twilio_", name)}
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert fixtures <= set(rows)


UNUSED = """
import sys

def test_it():
    loaded = [name for name in sys.modules if name.partition(".")[0] in {"django", "django_verify"}]
    assert sorted(loaded) == [
        "django_verify", "django_verify.testing", "django_verify.testing.plugin",
    ]
"""


def test_a_project_that_does_not_use_the_kit_loads_nothing_of_it(tmp_path):
    (tmp_path / "test_it.py").write_text(UNUSED)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:django --noconftest\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *LEFT_OUT, "test_it.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
