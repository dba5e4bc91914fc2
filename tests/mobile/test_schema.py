"""OpenAPI of the endpoints for apps: alone, in a host's own document, and true to the answers."""

import itertools
import json
import os
import subprocess
import sys

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.test_schema import EXAMPLES
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.mobile.test_views import App

pytest.importorskip("drf_spectacular")

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema

from django_verify.mobile import schema

#: Path, method, body, status of a success, its answer.
OPERATIONS = [
    ("/verifications", "get", None, "200", "VerifyOfferAnswer"),
    ("/verifications", "post", "VerifyStartBody", "201", "VerifyStartAnswer"),
    ("/verifications/{sid}", "get", None, "200", "VerifyStateAnswer"),
    ("/verifications/{sid}/check", "post", "VerifyCheckBody", "200", "VerifyStateAnswer"),
    ("/verifications/{sid}/resend", "post", "VerifyResendBody", "200", "VerifyStateAnswer"),
]


@pytest.fixture(scope="module")
def document():
    return schema.document()


def content(name):
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def assert_covered(paths, root=""):
    for path, method, body, status, answer in OPERATIONS:
        operation = paths[root + path][method]
        assert operation.get("requestBody", {}).get("content") == (content(body) if body else None)
        assert operation["responses"][status]["content"] == content(answer)
        assert operation["responses"]["default"]["content"] == content("VerifyRefusal")
        given = operation.get("parameters", [])
        parameters = {(p["in"], p["name"]): p.get("required", False) for p in given}
        expected = {("path", "sid"): True} if "{sid}" in path else {("query", "language"): False}
        if path == "/verifications" and method == "post":
            expected = {}
        if "{sid}" in path and method == "get":
            expected[("header", "Client-Secret")] = True
        assert parameters == expected


def test_it_is_made_without_a_warning_and_valid(capsys):
    GENERATOR_STATS.reset()
    document = schema.document("/app/")
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/app"}]
    validate_schema(document)
    assert not GENERATOR_STATS
    assert not capsys.readouterr().err
    assert "x-spec-enum-id" not in json.dumps(document)


def test_it_covers_every_operation(document):
    assert_covered(document["paths"])
    assert sum(len(item) for item in document["paths"].values()) == len(OPERATIONS)
    ids = [item[method]["operationId"] for item in document["paths"].values() for method in item]
    assert sorted(ids) == [
        f"verify_mobile_{verb}" for verb in ("check", "fetch", "offer", "resend", "start")
    ]
    status = document["components"]["schemas"]["VerifyStatus"]
    assert "approved" in status["enum"]


def test_the_host_does_not_reach_it(document, monkeypatch, settings):
    values = {
        "COMPONENT_SPLIT_REQUEST": True,
        "CAMELIZE_NAMES": True,
        "SECURITY": [{"host": []}],
        "APPEND_COMPONENTS": {"securitySchemes": {"host": {"type": "http", "scheme": "bearer"}}},
        "SCHEMA_PATH_PREFIX_INSERT": "/host",
        "EXTENSIONS_ROOT": {"x-host": True},
        "ENFORCE_NON_BLANK_FIELDS": True,
    }
    for name, value in values.items():
        monkeypatch.setattr(spectacular_settings, name, value)
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema"}
    assert schema.document() == document


def test_a_known_user_is_not_demanded(settings):
    basic = ["rest_framework.authentication.BasicAuthentication"]
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "MOBILE_AUTHENTICATION": basic}
    for path, method, *_ in OPERATIONS:
        operation = schema.document()["paths"][path][method]
        assert operation["security"] == [{"basicAuth": []}, {}]


@pytest.fixture(scope="module")
def environment():
    return {
        **os.environ,
        "PYTHONPATH": ":".join(filter(None, [os.getcwd(), *sys.path])),
        "DJANGO_SETTINGS_MODULE": "tests.mobile.host.settings",
    }


def test_the_host_s_own_document_has_them_without_a_warning(environment):
    """By plain settings, in a process of its own: REST framework reads them at import."""
    command = ["spectacular", "--fail-on-warn", "--validate", "--format", "openapi-json"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", *command],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert_covered(made["paths"], "/mobile")
    # The host's own are named and shaped as if we were not there.
    assert {"StartBody", "StateAnswer", "Refusal", "VerifyRefusal"} <= set(
        made["components"]["schemas"]
    )
    proof = made["components"]["schemas"]["SignUp"]["properties"]["proof"]
    assert proof == {"type": "string", "writeOnly": True}
    assert made["paths"]["/transfer/"]["post"]["operationId"] == "transfer_create"


def test_the_endpoints_need_no_extra(environment):
    code = (
        "import sys; sys.modules['drf_spectacular'] = None\n"
        "import django; django.setup()\n"
        "from django_verify.mobile import fields, permissions, urls\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**environment, "DJANGO_SETTINGS_MODULE": "tests.bare"},
    )


@pytest.fixture
def service(account, settings):
    names = ("number", "network", "device", "prefix", "checks")
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "CLIENT_LIMITS": {name: [] for name in names},
        "RECIPIENT_STARTS_PER_DAY": 1000,
        "RECIPIENT_GUESSES_PER_DAY": 1000,
        "MAX_CONSECUTIVE_FAILURES": 10_000,
    }
    return make_service(account, client_enabled=True)


@pytest.mark.django_db(transaction=True)
def test_real_answers_are_of_its_shape(document, service, outbox, clock):
    def validate(answer, name):
        rule = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(rule, format_checker=checker).validate(answer.data)
        assert answer.data.keys() <= document["components"]["schemas"][name]["properties"].keys()

    app = App()
    started = app.start()
    validate(started, "VerifyStartAnswer")
    code = code_in(outbox[0])
    validate(app.fetch(started), "VerifyStateAnswer")
    validate(app.check(started, wrong(code)), "VerifyStateAnswer")
    refused = app.resend(started)
    assert refused.data["retry_after"]
    validate(refused, "VerifyRefusal")
    clock.shift(31)
    validate(app.resend(started, channel="call"), "VerifyStateAnswer")
    approved = app.check(started, code)
    assert approved.data["proof"]
    validate(approved, "VerifyStateAnswer")
    for answer in (app.start("no"), app.check(started, code), app.get("verifications/CV0")):
        assert answer.status >= 400
        validate(answer, "VerifyRefusal")


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_no_answer_is_outside_of_it(document, service):
    """Each operation with generated values, and by turns with those of a live verification."""
    schemathesis = pytest.importorskip("schemathesis")
    from django.core.wsgi import get_wsgi_application
    from schemathesis import checks
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    verifies = [
        checks.not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    live = App().start(PHONE).data
    known = {"client_secret": live["client_secret"], "to": PHONE, "code": "000000"}
    suite = schemathesis.openapi.from_dict({**document, "servers": [{"url": "/mobile"}]})
    suite.app = get_wsgi_application()
    statuses = set()
    for operation in (found.ok() for found in suite.get_all_operations()):
        cases = st.one_of(
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        )

        turns = itertools.cycle([True, False])

        @EXAMPLES
        @given(case=cases)
        def verify(case):
            if next(turns):
                case.path_parameters = dict.fromkeys(case.path_parameters or {}, live["id"])
                case.headers = {"Client-Secret": live["client_secret"]}
                if case.method == "POST":
                    bodies = document["components"]["schemas"]
                    name = next(row[2] for row in OPERATIONS if row[0] == case.path and row[2])
                    members = bodies[name]["required"]
                    case.body = {member: known[member] for member in members}
            response = case.call()
            case.validate_response(response, checks=verifies)
            statuses.add(response.status_code)

        verify()
    assert {200, 201, 400, 404} <= statuses
