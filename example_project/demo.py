"""`make demo`: verifies a number and an app over real HTTP, against a temporary site of its own.

It is a client and nothing more: what it does, any program can do with an HTTP library.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

ROOT = Path(__file__).resolve().parent.parent
PHONE = "+14155552671"
IDENTITY = "user-0001"
# Seconds that the server may take to start, or to answer.
PATIENCE = 30
# What the example site reads from the environment and the demonstration leaves at its default.
LEFT_OUT = {"ALLOWED_HOSTS", "ATOMIC_REQUESTS", "REDIS_URL", "VERIFY_BASE_URL"}


class DemoError(Exception):
    """The demonstration went wrong; the text says how."""


def main() -> int:
    """Run the demonstration and return the exit status, 0 when the check said `approved`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory(prefix="django-verify-") as folder:
            demonstrate(Path(folder))
        say("The site of this demo is gone; `make serve` runs one that stays, with pages to try.")
    except DemoError as error:
        sys.stdout.flush()
        sys.stderr.write(f"\nThe demo failed: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(folder: Path) -> None:
    """Make a site in the folder, start it, and walk through its workflow."""
    outbox = folder / "outbox.jsonl"
    environment = site_environment(folder, outbox)
    heading("Setting up: a new SQLite database and an account")
    manage(environment, "migrate", "--verbosity=0")
    account = json.loads(manage(environment, "createverifyaccount", "--friendly-name=Demo"))
    with running_site(environment, folder / "server.log") as url:
        api = Api(url, account["account_sid"], account["auth_token"])
        say(f"The site answers at {url}/v2")
        say(f"User name {account['account_sid']}, password {account['auth_token'][:4]}…")
        with api.session:
            service = walk(api, outbox)
            walk_factor(api, service)


def walk(api: Api, outbox: Path) -> str:
    """Create a service, start a verification, check a wrong code, then the right one.

    Returns the service's path.
    """
    heading("1. Create a service")
    service = api.post("/v2/Services", FriendlyName="Demo")
    path = f"/v2/Services/{service['sid']}"

    heading("2. Start a verification")
    started = api.post(f"{path}/Verifications", To=PHONE, Channel="sms")
    message = received(outbox, started["send_code_attempts"][-1]["attempt_sid"])
    say(f"What reached the phone {message['to']}:")
    say(bold(f"    {message['body']}"))
    code = code_in(message["body"])

    heading("3. Check a wrong code")
    wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"
    expect(api.post(f"{path}/VerificationCheck", To=PHONE, Code=wrong), "pending")

    heading("4. Check the right code")
    expect(api.post(f"{path}/VerificationCheck", To=PHONE, Code=code), "approved")
    say(bold(f"\n{PHONE} is verified: the status is approved."))
    return path


def walk_factor(api: Api, service: str) -> None:
    """Enrol an authenticator app, prove it, sign in with its next code, and try that one again."""
    path = f"{service}/Entities/{IDENTITY}"

    heading("5. Enrol an authenticator app")
    factor = api.post(f"{path}/Factors", FactorType="totp", FriendlyName="Phone")
    secret, now = factor["binding"]["secret"], int(time.time())
    say("The app scans the uri; from now on it knows the codes without asking anybody.")

    heading("6. Verify it with its first code")
    proved = api.post(f"{path}/Factors/{factor['sid']}", AuthPayload=app_code(secret, now))
    expect_status(proved, "verified")

    heading("7. Sign in with the next code")
    code = app_code(secret, now + 30)
    form = {"FactorSid": factor["sid"], "AuthPayload": code}
    expect_status(api.post(f"{path}/Challenges", **form), "approved")

    heading("8. Try the same code again")
    expect_status(api.post(f"{path}/Challenges", **form), "pending")
    say(bold("\nThe app signed in once: a code that was used is no longer right."))


def app_code(secret: str, moment: int) -> str:
    """Return the code that an authenticator app shows at a moment (RFC 6238)."""
    seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(seed, (moment // 30).to_bytes(8), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def expect_status(answer: Mapping[str, Any], status: str) -> None:
    """Raise DemoError unless this is the status."""
    if answer.get("status") != status:
        raise DemoError(f"the status should be {status!r} and is {answer.get('status')!r}")


def expect(answer: Mapping[str, Any], status: str) -> None:
    """Raise DemoError unless a check was answered with this status."""
    if answer.get("status") != status or answer.get("valid") is not (status == "approved"):
        got = f"status {answer.get('status')!r}, valid {answer.get('valid')!r}"
        raise DemoError(f"the check should have said {status!r} and said {got}")


def received(outbox: Path, attempt_sid: str) -> dict[str, Any]:
    """Return the message of an attempt from the outbox. Raises DemoError when none arrives."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = outbox.read_text().splitlines() if outbox.exists() else []
        for message in map(json.loads, lines):
            if message["attempt_sid"] == attempt_sid:
                return dict(message)
        time.sleep(0.1)
    raise DemoError("no message reached the phone")


def code_in(text: str) -> str:
    """Return the code of a message. Raises DemoError when there is none."""
    found = re.search(r"\b\d{4,10}\b", text)
    if found is None:
        raise DemoError("the message holds no code")
    return found.group()


class Api:
    """Calls the API with Basic authentication, and prints each request and its answer."""

    def __init__(self, url: str, name: str, secret: str) -> None:
        self.url = url
        self.session = requests.Session()
        # Neither a proxy nor a .netrc of the caller's has a part in talking to ourselves.
        self.session.trust_env = False
        self.session.auth = (name, secret)

    def post(self, path: str, **form: str) -> dict[str, Any]:
        """Send a form and return the JSON answer. Raises DemoError when it is an error."""
        say(bold(f"POST {path}"))
        for name, value in form.items():
            say(f"    {name}={value}")
        try:
            response = self.session.post(self.url + path, data=form, timeout=PATIENCE)
            answer = response.json()
        except (requests.RequestException, ValueError) as error:
            raise DemoError(f"POST {path} got no JSON answer: {error}") from None
        say(bold(f"{response.status_code} {response.reason}", good=response.ok))
        say(json.dumps(answer, indent=4, ensure_ascii=False))
        if not response.ok:
            raise DemoError(f"POST {path} answered {response.status_code}")
        return dict(answer)


def site_environment(folder: Path, outbox: Path) -> dict[str, str]:
    """Return the environment of a site that lives in the folder alone."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return kept | {
        "DATABASE_URL": "sqlite:///" + quote(str(folder / "demo.sqlite3")),
        "DEBUG": "false",
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "VERIFY_OUTBOX": str(outbox),
    }


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a management command and return its output. Raises DemoError when it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"manage.py {arguments[0]} failed\n{done.stderr.strip()}")
    return done.stdout


@contextmanager
def running_site(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Serve the site on a free loopback port, and stop it whatever happens."""
    with socket.socket() as listener, log.open("wb") as output:
        # The server inherits the bound socket, so nobody can take the port in between.
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = ["gunicorn", f"--bind=fd://{listener.fileno()}", "--threads=4"]
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "example_project.wsgi"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
        )
    try:
        wait_for_answer(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return as soon as the server answers; raise DemoError, with its log, when it will not."""
    deadline = time.monotonic() + PATIENCE
    with requests.Session() as session:
        session.trust_env = False
        while process.poll() is None and time.monotonic() < deadline:
            try:
                session.get(f"{url}/v2/Services", timeout=PATIENCE)
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
    raise DemoError(f"the server did not start\n{log.read_text(errors='replace').strip()}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """Print the title of a step."""
    say("\n" + bold(f"{text}\n{'-' * len(text)}"))


def bold(text: str, *, good: bool | None = None) -> str:
    """Return the text in bold, green when good and red when not, on a terminal that wants it."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    colour = {None: "", True: ";32", False: ";31"}[good]
    return f"\033[1{colour}m{text}\033[0m"


if __name__ == "__main__":
    sys.exit(main())
