"""`make serve`: what it sets up, run once and again, and the commands that it prints."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from django_verify.models import Account, VerifyService
from example_project.management.commands import serve
from tests.conftest import PATIENCE, Api


@pytest.fixture
def credentials(tmp_path):
    return tmp_path / "credentials"


def opens(site):
    answer = Api(site.account_sid, site.auth_token).get("Services")
    return answer.status == 200 and site.service_sid in [s["sid"] for s in answer.data["services"]]


@pytest.mark.django_db
class TestSetUp:
    def test_once(self, credentials):
        site = serve.set_up(credentials)
        assert opens(site)
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
        user = authenticate(username="admin", password=site.admin_password)
        assert user.is_superuser
        assert user.is_staff
        assert VerifyService.objects.get(sid=site.service_sid).client_enabled

    def test_again(self, credentials):
        first = serve.set_up(credentials)
        User.objects.update(is_staff=False)
        VerifyService.objects.create(account_id=first.account_sid, friendly_name="Example")
        second = serve.set_up(credentials)
        assert opens(second)
        assert (first.account_sid, first.auth_token) == (second.account_sid, second.auth_token)
        assert first.service_sid == second.service_sid
        assert (Account.objects.count(), User.objects.count()) == (1, 1)
        assert first.admin_password != second.admin_password
        assert authenticate(username="admin", password=first.admin_password) is None
        assert authenticate(username="admin", password=second.admin_password).is_staff

    def test_the_pages_keep_the_service_that_they_have(self, credentials):
        first = serve.set_up(credentials)
        chosen = VerifyService.objects.create(account_id=first.account_sid, client_enabled=True)
        VerifyService.objects.filter(sid=first.service_sid).update(client_enabled=False)
        serve.set_up(credentials)
        assert list(VerifyService.objects.filter(client_enabled=True)) == [chosen]

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"account_sid": "AC1", "auth_token": 1}'])
    def test_a_spoilt_file(self, credentials, content):
        credentials.write_text(content)
        credentials.chmod(0o644)
        assert opens(serve.set_up(credentials))
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600

    def test_another_database_or_token(self, credentials):
        first = serve.set_up(credentials)
        account = Account.objects.get()
        account.set_auth_token()
        account.save()
        second = serve.set_up(credentials)
        assert opens(second)
        assert second.account_sid != first.account_sid
        Account.objects.all().delete()
        assert opens(serve.set_up(credentials))


def test_only_for_development(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="for development"):
        call_command("serve")


def test_a_port_in_use():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CommandError, match="PORT="):
            serve.refuse_duplicate(listener.getsockname()[1])
    with pytest.raises(CommandError, match="70000"):
        serve.refuse_duplicate(70_000)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def served(tmp_path, settings):
    """The text that a running `serve` has printed, and a function that reads it again."""
    shutil.copytree(settings.BASE_DIR / "example_project", tmp_path / "example_project")
    shutil.copy(settings.BASE_DIR / "manage.py", tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": str(settings.BASE_DIR),
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DEBUG": "true",
        "REDIS_URL": "locmem://",
        "VERIFY_OUTBOX": "",
        "PYTHONUNBUFFERED": "1",
    }
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/", process, log)
        yield log.read_text
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(url, process, log):
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=10):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"serve did not start:\n{log.read_text()}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the path")
def test_the_printed_commands_work(served):
    commands = re.findall(r"^curl (?:.*\\\n)*.*", served(), re.MULTILINE)
    assert len(commands) == 4
    start, check, create, listing = commands

    def run(command):
        done = subprocess.run(
            f"{command} --silent --noproxy '*'", shell=True, capture_output=True, text=True
        )
        return done.stdout

    assert '"status":"pending"' in run(start).replace(" ", "")
    code = re.search(r"code is: (\d{6})", served()).group(1)
    assert '"status":"approved"' in run(check.replace("123456", code)).replace(" ", "")
    assert '"friendly_name":"Acme"' in run(create).replace(" ", "")
    assert "Acme" in run(listing)
