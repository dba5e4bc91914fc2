"""Outbound calls: what is received of a failure, what ends them, and where they may not go."""

import logging
import socket
import ssl
import threading
from importlib import import_module

import pytest
from django.core.exceptions import ValidationError

from django_verify.models.webhooks import validate_webhook_url
from django_verify.net import client, url_policy
from tests.senders.fakes import FAULTS, Fake, fake  # noqa: F401 - a fixture

URL = "/send?to=14155552671"
BODY = {"code": "904716"}


def test_a_form_and_the_answer(fake):  # noqa: F811
    server = fake()
    answer = client.call(
        "POST", server.url + URL, form=[("a", "ü&"), ("a", "2")], auth=("user", "pässword")
    )
    (asked,) = server.asked
    assert asked.form == {"a": ["ü&", "2"]}
    assert asked.query == {"to": "14155552671"}
    assert asked.authorization == "Basic dXNlcjpww6Rzc3dvcmQ="
    assert (answer.status, answer.json(), answer.headers["content-length"]) == (200, {}, "2")


def test_json_bytes_and_headers(fake):  # noqa: F811
    server = fake()
    client.call("PUT", server.url, json={"a": "ü"}, headers={"X-Key": "1"})
    client.call("POST", server.url, body=b"\0\1", headers={"Content-Type": "x/y"})
    first, second = server.asked
    assert (first.method, first.json, first.headers["x-key"]) == ("PUT", {"a": "ü"}, "1")
    assert (second.body, second.headers["content-type"]) == (b"\0\1", "x/y")


def test_connections_are_kept(fake, monkeypatch):  # noqa: F811
    server = fake()
    for _ in range(2):
        client.call("POST", server.url)
    monkeypatch.setattr("django_verify.net.transport.IDLE", -1.0)
    client.call("POST", server.url)
    first, second, third = (asked.peer for asked in server.asked)
    assert first == second != third


def test_nothing_comes_from_the_environment_and_redirects_are_answers(fake, monkeypatch):  # noqa: F811
    server = fake()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.fault = (302, b"", {"Location": server.url + "/other", "Set-Cookie": "a=b"})
    assert client.call("GET", server.url).status == 302
    assert client.call("GET", server.url).status == 302
    assert [asked.path for asked in server.asked] == ["/", "/"]
    assert "cookie" not in server.asked[1].headers


def test_a_long_body_is_cut_and_the_next_answer_is_its_own(fake):  # noqa: F811
    server = fake()
    server.fault = (200, b"x" * 100_000)
    assert client.call("GET", server.url, max_bytes=10).body == b"x" * 10
    server.fault = None
    assert client.call("GET", server.url).body == b"{}"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_json(body):
    with pytest.raises(ValueError):
        client.Answer(200, body=body).json()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_request_that_was_written_is_not_answered(fault, fake, caplog):  # noqa: F811
    server = fake()
    server.fault = fault
    with caplog.at_level(logging.DEBUG), pytest.raises(client.NotAnswered) as caught:
        client.call("POST", server.url + URL, json=BODY, read=0.2, total=0.3)
    assert caught.value.__context__ is None
    received = f"{caught.value!r} {caplog.text}"
    assert not [secret for secret in ("904716", "415555", "127.0.0.1") if secret in received]


@pytest.fixture
def listener():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_request_that_was_not_written_is_not_sent(listener, monkeypatch, caplog):
    port = listener.getsockname()[1]

    def unknown(*args, **options):
        raise socket.gaierror(-2, "Name or service not known")

    cases = [
        "http://127.0.0.1:1",
        f"https://127.0.0.1:{port}",  # the handshake never ends
        "http://[::1",
        "ftp://127.0.0.1",
    ]
    with caplog.at_level(logging.DEBUG):
        for origin in cases:
            with pytest.raises(client.NotSent):
                client.call("POST", origin + URL, json=BODY, connect=0.2, total=0.3)
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(client.NotSent):
            client.call("POST", "http://gone.example.com" + URL, connect=0.2)
        with pytest.raises(client.NotSent):
            client.call("POST", f"http://127.0.0.1:{port}", headers={"X": "a\nb"})
    assert "415555" not in caplog.text


def test_a_look_up_that_does_not_end(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(10) and [])
    try:
        with pytest.raises(client.NotSent):
            client.call("GET", "http://slow.example.com/", connect=0.1)
    finally:
        over.set()


def test_a_certificate_that_nobody_signed_is_not_sent(fake):  # noqa: F811
    server = fake()
    from tests.senders.certificates import server_context

    context = server_context("hooks.example.com")
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    with pytest.raises(client.NotSent):
        client.call("GET", server.url.replace("http", "https"))
    assert server.asked == []


REFUSED = """
https://localhost/ https://LOCALHOST./ https://api.localhost/ https://intranet/ https://com./
https://printer.local/ https://db.internal/ https://x.localdomain/ https://nas.home.arpa/
https://abc.onion/ https://hooks.test/ https://a.invalid/ https://gw.lan/ https://x.corp/
https://127.0.0.1/ https://127.1/ https://0x7f.1/ https://0x7f000001/ https://2130706433/
https://017700000001/ https://0177.0.0.1/ https://127.0.0.1./ https://10.0.0.8/ https://172.16.0.1/
https://192.168.1.1/ https://169.254.169.254/latest/ https://100.64.0.1/ https://0.0.0.0/
https://224.0.0.1/ https://240.0.0.1/ https://255.255.255.255/ https://192.0.2.1/
https://198.51.100.7/ https://203.0.113.9/ https://192.0.0.192/ https://192.88.99.1/
https://198.18.0.1/ https://168.63.129.16/ https://[::1]/ https://[::]/ https://[fe80::1]/
https://[fe80::1%25eth0]/ https://[fc00::1]/ https://[fd12:3456::1]/ https://[fec0::1]/
https://[ff02::1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:8.8.8.8]/ https://[::8.8.8.8]/
https://[64:ff9b::7f00:1]/ https://[64:ff9b:1::7f00:1]/ https://[2002:7f00:1::]/
https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/ https://[2001:db8::1]/ https://[3fff::1]/
https://[5f00::1]/ https://[100::1]/ https://example.com:22/ https://example.com:6379/
https://user@example.com/ http://example.com/ ftp://example.com/ https:///x
""".split()


@pytest.fixture
def looked_up(monkeypatch):
    """`looked_up(host, …)` makes the next look-ups answer these, one list each; it counts them."""
    answers, asked = [], []

    def resolve(host, port, *args, **options):
        if url_policy.is_ip(host):
            found = [host]
        else:
            asked.append(host)
            found = answers.pop(0)
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    resolve.answers, resolve.asked = answers, asked
    return resolve


@pytest.mark.parametrize("url", REFUSED)
def test_a_recipient_refused_at_registration_and_at_the_call(url, looked_up):
    looked_up.answers.append(["93.184.215.14"])
    with pytest.raises(ValidationError):
        validate_webhook_url(url)
    with pytest.raises(client.HostRefused):
        client.call("POST", url, json=BODY, public=True)
    assert looked_up.asked == []


@pytest.mark.parametrize(
    "found",
    [["10.0.0.8"], ["93.184.215.14", "127.0.0.1"], ["::1", "93.184.215.14"], ["64:ff9b::a00:1"]],
)
def test_a_name_with_any_recipient_that_is_not_public(found, looked_up):
    validate_webhook_url("https://hooks.example.com/")
    looked_up.answers.append(found)
    with pytest.raises(client.HostRefused):
        client.call("POST", "https://hooks.example.com/", public=True)


def test_a_name_is_looked_up_once_and_the_call_goes_to_what_was_verified(
    fake,  # noqa: F811
    looked_up,
    monkeypatch,
    settings,
):
    settings.DEBUG = True
    server, verified = fake(), []
    looked_up.answers += [["127.0.0.1"], ["10.0.0.8"]]
    monkeypatch.setattr(url_policy, "is_public", lambda *args: verified.append(args) or True)
    url = server.url.replace("127.0.0.1", "hooks.example.com")
    assert client.call("POST", url, public=True).status == 200
    assert looked_up.asked == ["hooks.example.com"]
    assert ("127.0.0.1", server.server.server_port) in verified
    assert server.asked[0].headers["host"] == url.removeprefix("http://")


def test_the_name_is_what_the_certificate_must_be_for(fake, looked_up, monkeypatch):  # noqa: F811
    from tests.senders.certificates import server_context, trusted

    server, names = fake(), []
    context = server_context("hooks.example.com")
    context.sni_callback = lambda sock, name, context: names.append(name)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    monkeypatch.setattr("django_verify.net.transport._tls", trusted)
    monkeypatch.setattr(url_policy, "is_public", lambda *args: True)
    looked_up.answers += [["127.0.0.1"], ["127.0.0.1"]]
    port = server.server.server_port
    answer = client.call("POST", f"https://hooks.example.com:{port}/", public=True)
    assert answer.status == 200
    with pytest.raises(client.NotSent):
        client.call("POST", f"https://other.example.com:{port}/", public=True)
    assert names == ["hooks.example.com", "other.example.com"]
    assert len(server.asked) == 1


def test_the_context_verifies():
    context = import_module("django_verify.net.transport")._tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_threads_and_calls_to_strangers_share_no_connection(fake, monkeypatch, settings):  # noqa: F811
    settings.DEBUG = True
    monkeypatch.setattr(url_policy, "is_public", lambda *args: True)
    server = fake()
    for _ in range(2):
        client.call("POST", server.url, public=True)
    thread = threading.Thread(target=client.call, args=("POST", server.url))
    thread.start()
    thread.join()
    client.call("POST", server.url)
    assert len({asked.peer for asked in server.asked}) == 4
    assert isinstance(server, Fake)


def test_a_host_that_is_allowed_is_called(fake, settings, looked_up):  # noqa: F811
    """By its name, or by the network that a public name leads to; a neighbour is not."""
    server = fake()
    port = server.url.rsplit(":", 1)[1]
    allow(settings, ["hooks.internal", "127.0.0.0/30"])
    for url in (f"http://127.0.0.1:{port}/a", f"http://hooks.internal:{port}/b"):
        looked_up.answers.append(["127.0.0.1"])
        validate_webhook_url(url)
        assert client.call("POST", url, json=BODY, public=True).status == 200
    allow(settings, ["hooks.internal"])
    looked_up.answers[:] = [["127.0.0.1"]]
    with pytest.raises(client.HostRefused):
        client.call("POST", f"http://other.internal:{port}/", json=BODY, public=True)
    with pytest.raises(client.HostRefused):
        client.call("POST", "https://hooks.example.com/", json=BODY, public=True)
    assert [one.path for one in server.asked] == ["/a", "/b"]


def allow(settings, hosts):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "WEBHOOK_ALLOWED_HOSTS": hosts}
