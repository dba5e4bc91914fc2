"""The snippets of the docs: run as they stand, and held against the endpoints where they cannot be."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
from dataclasses import dataclass

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_verify.mobile.serializers import (
    CheckBody,
    Refusal,
    ResendBody,
    StartAnswer,
    StartBody,
)
from django_verify.models import Verification
from django_verify.users import verified_phones
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.mobile.pages import SITE, blocks, recipients

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = ["sh", "swift", "kotlin", "js"]
#: What each snippet asks for, and what its body may hold; the last is the site's own endpoint.
REQUESTS = {
    ("POST", "/mobile/verifications"): StartBody,
    ("POST", "/mobile/verifications/{id}/resend"): ResendBody,
    ("POST", "/mobile/verifications/{id}/check"): CheckBody,
    ("GET", "/mobile/verifications/{id}"): None,
    ("POST", "/sign-up/"): None,
}
SPELLED = "(415) 555-2671"


@pytest.fixture(autouse=True)
def service(account, settings):
    settings.ROOT_URLCONF = recipients()
    return make_service(account, client_enabled=True, client_purposes="sign-up")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    members: tuple[str, ...]
    headers: tuple[str, ...]

    def send(self, values):
        headers = {name: values["client_secret"] for name in self.headers if name != "Content-Type"}
        kind = "application/json" if "Content-Type" in self.headers else "text/plain"
        body = json.dumps({name: values[name] for name in self.members})
        answer = Client().generic(
            self.method, self.path.format(id=values.get("id")), body, kind, headers=headers
        )
        return answer.status_code, answer.json()


def requests(language):
    """The requests in a snippet, read out of its text."""
    texts = blocks(language)
    return [from_curl(t) for t in texts] if language == "sh" else from_calls(language, texts[0])


def from_curl(text):
    words = shlex.split(text, comments=True)
    given = list(itertools.pairwise(words))
    headers = dict(value.split(": ") for option, value in given if option == "-H")
    bodies = [json.loads(value) for option, value in given if option == "-d"]
    method = "POST" if bodies else "GET"
    assert headers.get("Content-Type") == ("application/json" if bodies else None)
    path = words[1].removeprefix(SITE).replace("$id", "{id}")
    return Request(method, path, tuple(bodies[0] if bodies else ()), tuple(headers))


MEMBERS = {
    "swift": lambda rest: re.findall(r'"(\w+)":', rest),
    "kotlin": lambda rest: re.findall(r'"(\w+)" to', rest),
    "js": lambda rest: [
        part.split(":")[0].strip() for part in "".join(re.findall(r"{(.*?)}", rest)).split(",")
    ],
}


def from_calls(language, text):
    """The lines that call the snippet's `send`; its headers are those that `send` names."""
    assert "application/json" in text
    named = re.findall(r'"([A-Z][a-z]+(?:-[A-Z][a-z]+)+)"', text)
    for line in text.splitlines():
        found = re.search(r'send\("(\w+)", (["`])(/.*?)\2(.*)', line)
        if not found:
            continue
        method, _, path, rest = found.groups()
        path = re.sub(r"\\\(id\)|\$\{id\}|\$id", "{id}", path)
        members = MEMBERS[language](rest) if method == "POST" else []
        headers = [name for name in named if (name == "Content-Type") == (method == "POST")]
        yield Request(method, path, tuple(members), tuple(headers))


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_requests_are_those_of_the_endpoints(language):
    found = {(request.method, request.path): request for request in requests(language)}
    assert found.keys() == REQUESTS.keys()
    for key, body in REQUESTS.items():
        if body is not None:
            known = body().fields
            members = set(found[key].members)
            assert (
                {name for name, field in known.items() if field.required} <= members <= set(known)
            )


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_requests_lead_from_the_number_to_the_account(language, outbox, clock):
    found = {(request.method, request.path): request for request in requests(language)}
    start, resend, check, fetch, sign_up = (found[key] for key in REQUESTS)
    values = {"to": SPELLED, "region": "US", "purpose": "sign-up", "channel": "call"}
    status, answer = start.send(values)
    assert (status, answer["to"]) == (201, PHONE)
    values |= {"id": answer["id"], "client_secret": answer["client_secret"]}
    clock.shift(31)
    status, answer = resend.send(values)
    assert (status, answer["channel"]) == (200, "call")
    status, answer = check.send(values | {"code": code_in(outbox[0])})
    assert (status, answer["valid"]) == (200, True)
    status, answer = fetch.send(values)
    assert status == 200
    status, _ = sign_up.send({"username": "ann", "proof": answer["proof"]})
    assert status == 201
    assert verified_phones.primary(get_user_model().objects.get()).number == PHONE


def test_what_swift_decodes_is_what_is_answered():
    (text,) = blocks("swift")
    for name, answer in (("Verification", StartAnswer), ("Refusal", Refusal)):
        body = re.search(rf"struct {name}: .*?{{(.*?)^}}", text, re.M | re.S)[1]
        properties = re.findall(r"let (\w+): (\[?\w+\]?)(\??)", body)
        fields = answer().fields
        for spelled, kind, optional in properties:
            field = fields[re.sub(r"(?=[A-Z])", "_", spelled).lower()]
            known = {"CharField": "String", "RegexField": "String", "ChoiceField": "String"}
            known |= {"BooleanField": "Bool", "IntegerField": "Int", "DateTimeField": "Date"}
            names = [base.__name__ for base in type(field).__mro__]
            assert kind == next((known[name] for name in names if name in known), "[String]")
            may_lack = field.allow_null or not field.required or spelled == "clientSecret"
            assert bool(optional) == may_lack


class Program:
    """A snippet with a driver, which reads a verb and its values a line, and prints the outcome."""

    def __init__(self, *command):
        environment = {**os.environ, "no_proxy": "*"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.guard = threading.Timer(300, self.process.kill)
        self.guard.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.guard.cancel()
        self.process.kill()
        self.process.communicate()

    def __call__(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        outcome, _, body = line.partition(" ")
        return outcome, json.loads(body)


def walk(ask, outbox):
    """Go the whole way with a program, refusals included."""
    outcome, answer = ask("start", 'no "number" \\', "US")
    assert (outcome, answer["reason"]) == ("400", "invalid_parameter")
    outcome, answer = ask("start", SPELLED, "US")
    assert (outcome, answer["to"]) == ("ok", PHONE)
    mine = answer["id"], answer["client_secret"]
    outcome, answer = ask("resend", *mine, "call")
    assert (outcome, answer["reason"]) == ("429", "resend_too_soon")
    row = Verification.objects.get()
    Verification.objects.update(sent_at=row.sent_at - (row.expires_at - row.date_created) / 2)
    outcome, answer = ask("resend", *mine, "call")
    assert (outcome, answer["channel"]) == ("ok", "call")
    code = code_in(outbox[0])
    assert ask("check", *mine, wrong(code))[1]["valid"] is False
    assert ask("fetch", mine[0], "x")[1]["reason"] == "not_found"
    assert ask("check", *mine, code)[1]["valid"] is True
    outcome, answer = ask("fetch", *mine)
    assert (outcome, answer["status"]) == ("ok", "approved")
    assert ask("signUp", "ann", answer["proof"])[0] == "ok"
    assert ask("signUp", "bob", answer["proof"])[0] == "400"
    assert verified_phones.primary(get_user_model().objects.get()).number == PHONE


def needs(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def text_of(language, live_server):
    (text,) = blocks(language)
    assert SITE in text
    return text.replace(SITE, live_server.url)


def test_curl(live_server, outbox, tmp_path):
    needs("sh", "curl")
    received = {re.match(r"# ([a-z ]+)", text)[1]: text for text in blocks("sh")}
    prelude = "curl() { command curl -sS -w '\\n%{http_code}' \"$@\"; }\n"

    def run(name, **values):
        done = subprocess.run(
            ["sh", "-eu", "-c", prelude + received[name].replace(SITE, live_server.url)],
            env={**os.environ, "no_proxy": "*", **values},
            capture_output=True,
            text=True,
            check=True,
        )
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    status, answer = run("start")
    assert (status, answer["to"]) == (201, PHONE)
    mine = {"id": answer["id"], "secret": answer["client_secret"]}
    status, answer = run("resend", **mine)
    assert (status, answer["reason"]) == (429, "resend_too_soon")
    code = code_in(outbox[0])
    status, answer = run("check", **mine, code=wrong(code))
    assert (status, answer["valid"]) == (200, False)
    status, answer = run("check", **mine, code=code)
    assert (status, answer["valid"]) == (200, True)
    status, answer = run("fetch", **mine)
    assert (status, answer["status"]) == (200, "approved")
    status, _ = run("sign up", proof=answer["proof"])
    assert status == 201


JS_DRIVER = """
import { createInterface } from "node:readline";
const verbs = { start, check, resend, fetch: state, signUp };
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...given] = line.split("\\t");
  try {
    console.log("ok " + JSON.stringify(await verbs[verb](...given)));
  } catch (error) {
    console.log(error.status + " " + JSON.stringify({ ...error }));
  }
}
"""


def test_javascript(live_server, outbox, tmp_path):
    needs("node")
    file = tmp_path / "verify.mjs"
    file.write_text(text_of("js", live_server) + JS_DRIVER)
    with Program("node", str(file)) as ask:
        walk(ask, outbox)


KOTLIN_DRIVER = """
fun main() {
    val verify = Verify()
    generateSequence { readLine() }.forEach { line ->
        val given = line.split("\\t")
        val answer = when (given[0]) {
            "start" -> verify.start(given[1], given[2])
            "check" -> verify.check(given[1], given[2], given[3])
            "resend" -> verify.resend(given[1], given[2], given[3])
            "fetch" -> verify.fetch(given[1], given[2])
            else -> verify.signUp(given[1], given[2])
        }
        val outcome = if (answer.status < 400) "ok" else "${answer.status}"
        println(outcome + " " + answer.body)
        System.out.flush()
    }
}
"""


@pytest.mark.once
def test_kotlin(live_server, outbox, tmp_path):
    needs("kotlinc", "java")
    (tmp_path / "verify.kt").write_text(text_of("kotlin", live_server))
    (tmp_path / "main.kt").write_text(KOTLIN_DRIVER)
    jar = str(tmp_path / "verify.jar")
    command = ["kotlinc", "verify.kt", "main.kt", "-include-runtime", "-d", jar]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    with Program("java", "-jar", jar) as ask:
        walk(ask, outbox)


def test_swift_compiles(tmp_path):
    """Not run: outside of Apple's systems URLSession has these calls in few versions only."""
    needs("swiftc")
    (text,) = blocks("swift")
    elsewhere = "#if canImport(FoundationNetworking)\nimport FoundationNetworking\n#endif\n"
    (tmp_path / "verify.swift").write_text(elsewhere + text)
    command = ["swiftc", "-typecheck", "-parse-as-library", "verify.swift"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
