"""`make demo`: the whole of it as a process, and how it fails."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

from example_project import demo
from tests.conftest import PATIENCE

MESSAGE = {"attempt_sid": "VL1", "to": demo.PHONE, "body": "Your Demo code is: 012345"}


@pytest.mark.once
def test_the_demo_ends_approved():
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0", "ALLOWED_HOSTS": "elsewhere"}
    done = subprocess.run(
        [sys.executable, "-m", "example_project.demo"],
        cwd=demo.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is verified: the status is approved." in done.stdout
    assert re.findall(r'"status": "(\w+)"', done.stdout) == [
        "pending", "pending", "approved", "unverified", "verified", "approved", "pending"
    ]  # fmt: skip
    assert "\033" not in done.stdout
    assert re.search(r"password \S{4}…", done.stdout)
    assert not re.search(r"password \S{6}", done.stdout)


class ScriptedApi:
    """Answers as asked, and keeps what was asked."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.asked = []

    def post(self, path, **form):
        self.asked.append((path, form))
        if path == "/v2/Services":
            return {"sid": "VA1"}
        if path.endswith("/Verifications"):
            return {"send_code_attempts": [{"attempt_sid": "VL1"}]}
        status = self.statuses.pop(0)
        return {"status": status, "valid": status == "approved"}


@pytest.fixture
def outbox_file(tmp_path):
    path = tmp_path / "outbox.jsonl"
    path.write_text(json.dumps({**MESSAGE, "attempt_sid": "VL0"}) + "\n" + json.dumps(MESSAGE))
    return path


def test_walk(outbox_file, capsys):
    api = ScriptedApi("pending", "approved")
    assert demo.walk(api, outbox_file) == "/v2/Services/VA1"
    assert [form.get("Code") for _, form in api.asked] == [None, None, "012346", "012345"]
    assert {path for path, form in api.asked if "Code" in form} == {
        "/v2/Services/VA1/VerificationCheck"
    }
    assert MESSAGE["body"] in capsys.readouterr().out


@pytest.mark.parametrize("statuses", [("approved",), ("pending", "pending"), ("canceled",)])
def test_an_unexpected_status_fails(outbox_file, statuses):
    with pytest.raises(demo.DemoError, match="the check should have said"):
        demo.walk(ScriptedApi(*statuses), outbox_file)


def test_the_codes_of_an_app():
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert demo.app_code(secret, 59) == "287082"
    assert demo.app_code(secret, 1_111_111_109) == "081804"
    with pytest.raises(demo.DemoError, match="should be 'verified'"):
        demo.expect_status({"status": "unverified"}, "verified")


def test_a_silent_phone_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "PATIENCE", 0.15)
    with pytest.raises(demo.DemoError, match="no message"):
        demo.received(tmp_path / "outbox.jsonl", "VL1")
    with pytest.raises(demo.DemoError, match="no code"):
        demo.code_in("Hello.")


def test_an_error_answer_fails(live_server, capsys):
    api = demo.Api(live_server.url, "AC1", "a wrong token")
    with api.session, pytest.raises(demo.DemoError, match="answered 401"):
        api.post("/v2/Services", FriendlyName="Demo")
    printed = capsys.readouterr().out
    assert "FriendlyName=Demo" in printed
    assert "a wrong token" not in printed
    with pytest.raises(demo.DemoError, match="no JSON answer"), api.session:
        demo.Api("http://127.0.0.1:1", "AC1", "token").post("/v2/Services")


def test_a_server_that_does_not_start(tmp_path):
    environment = {**os.environ, "DATABASE_URL": "nonsense://"}
    with (
        pytest.raises(demo.DemoError, match=r"did not start\n(?s:.)*nonsense"),
        demo.running_site(environment, tmp_path / "server.log"),
    ):
        pass
    with pytest.raises(demo.DemoError, match=r"migrate failed\n(?s:.)*nonsense"):
        demo.manage(environment, "migrate")


def test_a_failure_is_reported_and_counted(monkeypatch, capsys):
    def fail(folder):
        raise demo.DemoError("no luck")

    monkeypatch.setattr(demo, "demonstrate", fail)
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)
    assert demo.main() == 1
    assert "The demo failed: no luck" in capsys.readouterr().err


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch):
    assert demo.bold("x") == "x"
    monkeypatch.setattr(demo.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert demo.bold("x", good=True) == "\033[1;32mx\033[0m"
    assert demo.bold("x") == "\033[1mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert demo.bold("x", good=False) == "x"
