"""Bodies in chunks: read where the server marks their end, refused where it does not, never lost."""

import json
import socket
from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from django_verify import conf, exceptions
from django_verify.models import VerifyService
from django_verify.net import chunked
from tests.conftest import Api


def wsgi(body, **more):
    """Return a request as gunicorn makes it of one in chunks: its input ends by itself."""
    environ = RequestFactory()._base_environ(
        REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": BytesIO(body)}
    )
    environ.pop("CONTENT_LENGTH", None)
    return WSGIRequest({**environ, **more})


def asgi(body):
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    return ASGIRequest(scope, BytesIO(body))


@pytest.mark.parametrize(
    "make", [lambda body: wsgi(body, **{"wsgi.input_terminated": True}), asgi], ids=["wsgi", "asgi"]
)
@pytest.mark.parametrize("body", [b"", b"FriendlyName=Shop", b"x" * 5000])
def test_it_is_read_with_its_length(make, body):
    request = make(body)
    chunked.receive(request)
    assert request.META["CONTENT_LENGTH"] == str(len(body))
    assert request.read() == body


def test_one_byte_too_many_is_enough(settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "MAX_BODY": 1024}
    request = wsgi(b"x" * 5000, **{"wsgi.input_terminated": True})
    chunked.receive(request)
    assert len(request.read()) == conf.current().MAX_BODY + 1


def test_what_a_middleware_has_read_is_kept():
    request = asgi(b"FriendlyName=Shop")
    assert request.body == b"FriendlyName=Shop"
    chunked.receive(request)
    assert (request.body, request.META["CONTENT_LENGTH"]) == (b"FriendlyName=Shop", "17")


def test_an_input_without_an_end_is_not_waited_for():
    with pytest.raises(exceptions.LengthRequired):
        chunked.receive(wsgi(b"FriendlyName=Shop"))


@pytest.mark.parametrize("headers", [{}, {"HTTP_TRANSFER_ENCODING": "gzip"}])
def test_other_requests_are_left_alone(headers):
    request = RequestFactory().post("/", b"a=b", content_type="text/plain", **headers)
    before = dict(request.META)
    chunked.receive(request)
    assert (request.META, request.read()) == (before, b"a=b")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/v2/Services", "application/x-www-form-urlencoded", b"FriendlyName=Chunks"),
        ("/v2/Services", "application/json", b'{"FriendlyName": "Chunks"}'),
    ],
)
def test_an_update_is_not_lost(client, account, path, kind, body):
    environ = {
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": kind,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": Api(account.sid, account.token).headers["authorization"],
    }
    answer = client.generic("POST", path, b"", kind, **environ)
    assert answer.status_code == 201, answer.content
    assert VerifyService.objects.get().friendly_name == "Chunks"


@pytest.mark.django_db(transaction=True)
def test_a_server_that_cannot_read_chunks_says_so(live_server, account):
    """The development server hands the connection on as it is: 411, and nothing changes."""
    host, port = live_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(
            f"POST /v2/Services HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            f"Authorization: {Api(account.sid, account.token).headers['authorization']}\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            "11\r\nFriendlyName=Shop\r\n0\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert " 411 " in head.splitlines()[0]
    assert json.loads(body)["code"] == 20422
    assert not VerifyService.objects.exists()
