"""The OpenAPI document: without warnings, true to the contract, and true to what is answered."""

import re
import subprocess
import sys

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_verify.api import wire
from tests.api.test_operations import BODIES, NOT_YET, ROUTES, world, written
from tests.operations import OPERATIONS

pytest.importorskip("drf_spectacular")

METHODS = {"get", "post", "delete"}


@pytest.fixture(scope="module")
def document():
    from django_verify.api import schema

    return schema.document()


@pytest.mark.once
def test_the_command_makes_it_without_a_warning(tmp_path, capsys):
    path = tmp_path / "openapi.yaml"
    call_command("spectacular", "--api-version=v2", "--fail-on-warn", "--validate", file=path)
    assert path.read_text().startswith("openapi: 3.1.0\n")
    assert not capsys.readouterr().err


def test_it_has_every_operation_that_is_built(document):
    count = sum(len(METHODS & set(item)) for item in document["paths"].values())
    assert count == len([o for o in OPERATIONS if o.path not in NOT_YET]) == len(ROUTES)
    ids = [item[m]["operationId"] for item in document["paths"].values() for m in METHODS & {*item}]
    assert len(set(ids)) == count


def test_forms_have_the_names_of_the_contract(document):
    body = document["paths"]["/Services"]["post"]["requestBody"]["content"]
    form = body["application/x-www-form-urlencoded"]["schema"]
    assert form["properties"]["Push.IncludeDate"] == {"type": "boolean"}
    assert form["properties"]["CodeLength"] == {"type": "integer", "minimum": 4, "maximum": 10}
    assert form["required"] == ["FriendlyName"]
    update = document["paths"]["/Services/{sid}"]["post"]["requestBody"]["content"]
    assert "required" not in update["application/x-www-form-urlencoded"]["schema"]
    query = {p["name"] for p in document["paths"]["/Attempts"]["get"]["parameters"]}
    assert {"ChannelData.To", "PageSize", "Status"} <= query


def test_every_operation_asks_for_credentials_and_may_refuse(document):
    assert document["components"]["securitySchemes"]["basic"]["scheme"] == "basic"
    refusal = {"$ref": "#/components/schemas/ErrorAnswer"}
    for item in document["paths"].values():
        for method in METHODS & set(item):
            assert item[method]["security"] == [{"basic": []}]
            content = item[method]["responses"]["default"]["content"]
            assert content["application/json"]["schema"] == refusal


def test_the_hosts_own_document_has_nothing_of_the_api(settings):
    from drf_spectacular.generators import EndpointEnumerator

    paths = [path for path, *_ in EndpointEnumerator().get_api_endpoints()]
    assert {path.split("/")[1] for path in paths} == {"mobile"}


def test_the_api_needs_no_extra():
    code = (
        "import sys; sys.modules['drf_spectacular'] = None\n"
        "import django; django.setup()\n"
        "import django_verify.api.urls"
    )
    env = {"DJANGO_SETTINGS_MODULE": "tests.bare", "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


EXAMPLES = hypothesis_settings(
    max_examples=4,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_no_answer_is_outside_of_it(api, document):
    """Each operation with generated values, and by turns with real recipients and good forms."""
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
    names, sids = world(api)
    suite = schemathesis.openapi.from_dict(document)
    suite.app = get_wsgi_application()
    statuses = set()
    for operation in (found.ok() for found in suite.get_all_operations()):
        form = written(BODIES.get(spelled(operation.path), {}), names)
        real = {
            "service_sid": names["ServiceSid"],
            "rate_limit_sid": names["RateLimitSid"],
            "phone_number": names["PhoneNumber"],
            "country": names["Country"],
            "form_type": "form-push",
            "identity": names["Identity"],
            "factor_sid": names["FactorSid"],
            "challenge_sid": names["ChallengeSid"],
            "sid": sids.get(spelled(operation.path).rpartition("/")[0]),
        }

        cases = st.one_of(
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        )

        @EXAMPLES
        @given(case=cases, known=st.booleans())
        def verify(case, known):
            if known:
                case.path_parameters = {name: real[name] for name in case.path_parameters or {}}
                if case.method == "POST" and form:
                    case.body = form
            response = case.call(headers=api.headers)
            case.validate_response(response, checks=verifies)
            statuses.add(response.status_code)

        verify()
    assert {200, 400, 404} <= statuses


def spelled(path):
    """The contract's spelling of a recipient."""
    return re.sub(r"{(\w+)}", lambda m: f"{{{wire.wire_name(m[1])}}}", path.strip("/"))
