"""What the options of `HttpSender` can say of an answer and of a report."""

import dataclasses
import json
import time
from urllib.parse import urlencode

import pytest

from django_verify.senders import (
    REQUEST,
    UNSUITED,
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    SendError,
    TemporarySendError,
)
from django_verify.senders.http import HttpSender
from tests.senders.fakes import CODE, PHONE, SECRET, fake, signed  # noqa: F401 - the last is a fixture

FIXED = "https://verify.example.org/verify/callbacks/it"
OWN = "https://verify.example.org/verify/r/" + "A" * 22


def message(**values):
    defaults = {"to": PHONE, "body": f"Your code is: {CODE}", "code": CODE, "locale": "en"}
    return Message("sms", **{**defaults, "attempt_sid": "VL1", "callback_url": OWN, **values})


def sender(url="https://gateway.example.com", **options):
    return HttpSender("it", **{"url": url, "fields": {"to": "{to}"}, **options})


ANSWERS = [
    # success, the answer, whether it is one
    (("ok", True), {"ok": True}, True),
    (("ok", True), {"ok": False}, False),
    (("ok", True), {"ok": 1}, False),
    (("ok", True), {"ok": "true"}, True),
    (("ok", "true"), {"ok": True}, True),
    (("ok", False), {"ok": False}, True),
    (("ok", True), {}, False),
    (("error", None), {"error": None}, True),
    (("error", None), {}, True),
    (("error", None), {"error": "x"}, False),
    (("error", False), {"error": False}, True),
    (("status", 0), {"status": 0}, True),
    (("status", 0), {"status": "0"}, True),
    (("status", "0"), {"status": 0}, True),
    (("status", 0), {"status": 0.0}, True),
    (("status", 0), {"status": False}, False),
    (("status", 0), {"status": 10}, False),
    (("status", 1.5), {"status": 1.5}, True),
    (("status", ["queued", "sent"]), {"status": "sent"}, True),
    (("status", ("queued", 200)), {"status": 200}, True),
    (("status", frozenset(["queued"])), {"status": "failed"}, False),
    (("status", [True, "ok"]), {"status": True}, True),
    (("messages.0.status", "0"), {"messages": [{"status": "0"}]}, True),
    (("status", "ok"), {"status": {"ok": 1}}, False),
    (("status", "ok"), {"status": "OK"}, False),
    ([("ok", True), ("n", 1)], {"ok": True, "n": 1}, True),
    ([("ok", True), ("n", 1)], {"ok": True, "n": 0}, False),
    ([["ok", True]], {"ok": True}, True),
    (("", "OK"), b"OK", True),
    (("", "OK"), b" OK\r\n", True),
    (("", "OK"), b"ERROR: no credit", False),
    (("", "OK"), b'"OK"', True),
    (("", "OK"), b"", False),
    (("", "OK*"), b"OK: 12345", True),
    (("", ["OK*", "SENT*"]), b"SENT 1", True),
    (("", "OK*"), b"ERR: not OK", False),
    (("", "1"), b"1", True),
    (("", 1), b"1", True),
    (("", "*"), b"*", True),
    (("ok", True), b"ERROR:103", False),
    (("ok", True), b"<html>", False),
    (("ok", True), b"[" * 100_000, False),
    (("ok", True), b"\xff\xfe", False),
    (("ok", True), b"null", False),
    (("ok", None), b"null", True),
    (("error", None), {"error": {"code": 5}}, False),
    (("error", None), {"error": ["barred"]}, False),
    (("error", None), {"errors": [], "error": []}, True),
    (("error", ""), b"", False),
    (("error", None), b"<html>busy</html>", False),
    (("error", None), b"ERROR:103", False),
    (("error", None), b"\xff\xfe", False),
    (("", ["", "OK"]), b"", True),
]


@pytest.mark.parametrize(
    ("success", "answer", "accepted"), ANSWERS, ids=lambda value: repr(value)[:40]
)
def test_acceptance_is_a_value_of_the_answer(success, answer, accepted, fake):  # noqa: F811
    server = fake()
    server.fault = 200, answer
    built = sender(server.url, success=success)
    if accepted:
        assert built.send(message()) == Receipt()
        return
    with pytest.raises(TemporarySendError) as caught:
        built.send(message())
    assert (caught.value.code, caught.value.fault, caught.value.uncertain) == (
        "refused",
        REQUEST,
        False,
    )


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_status_of_failure_is_none_whatever_the_answer_states(status, fake):  # noqa: F811
    server = fake()
    server.fault = status, {"ok": True}
    with pytest.raises(TemporarySendError):
        sender(server.url, success=("ok", True)).send(message())


PATTERN = r"(?P<word>OK|ERROR):(?P<value>[^:\s]*)(?::(?P<points>[0-9.]+))?"
PLAIN = {
    "pattern": PATTERN,
    "success": ("word", "OK"),
    "id_path": "value",
    "price_path": "points",
    "error_path": "value",
    "permanent_codes": [13],
}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"OK:4419:0.16", Receipt("4419", "0.16")),
        (b"OK:4419", Receipt("4419")),
        (b"ERROR:13", (SendError, "13")),
        (b"ERROR:103", (TemporarySendError, "103")),
        (b"ERROR:", (TemporarySendError, "refused")),
        (b"Fatal error", (TemporarySendError, "refused")),
        (b"", (TemporarySendError, "refused")),
    ],
)
def test_a_plain_text_has_its_parts_by_a_pattern(answer, found, fake):  # noqa: F811
    server = fake()
    server.fault = 200, answer
    built = sender(server.url, **PLAIN)
    if isinstance(found, Receipt):
        assert built.send(message()) == found
        return
    with pytest.raises(SendError) as caught:
        built.send(message())
    assert (type(caught.value), caught.value.code) == found


@pytest.mark.parametrize(
    ("options", "code", "kind"),
    [
        ({"error_path": ["a", "b"]}, "B1", TemporarySendError),
        ({"error_path": ["b", "a"], "permanent_codes": ["B1"]}, "B1", SendError),
        ({"error_path": "c", "permanent_codes": [7]}, "7", SendError),
        ({"error_path": "d"}, "200", TemporarySendError),
        ({"error_path": "e", "permanent_codes": ["No such number"]}, "No such number", SendError),
        (
            {"error_path": "e", "account_codes": ["No such number"]},
            "No such number",
            TemporarySendError,
        ),
        ({"error_path": "e"}, "200", TemporarySendError),
    ],
)
def test_a_code_is_found_where_the_paths_state(options, code, kind, fake):  # noqa: F811
    server = fake()
    server.fault = 200, {"b": "B1", "c": 7, "d": f"about {PHONE}", "e": "No such number"}
    with pytest.raises(SendError) as caught:
        sender(server.url, **options).send(message())
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("locale", "ids", "found"),
    [
        ("en", {"en": "T1"}, "T1"),
        ("pt-BR", {"pt-BR": "T2", "pt": "T3"}, "T2"),
        ("pt-BR", {"pt": "T3"}, "T3"),
        ("sw", {"en": "T1", "*": "T9"}, "T9"),
        ("pt", {"pt-BR": "T2"}, None),
        ("sw", {"en": "T1"}, None),
        ("sw", {}, None),
    ],
)
def test_a_template_is_that_of_the_language(locale, ids, found):
    built = sender(fields={"template": "{template_id}"}, template_ids=ids)
    if found is None:
        with pytest.raises(TemporarySendError) as caught:
            built.request(message(locale=locale))
        assert caught.value.fault == UNSUITED
        return
    assert built.request(message(locale=locale)).json == {"template": found}


def test_a_number_may_be_one_in_json():
    fields = {"to": "{to_int}", "also": ["{to_int}"], "text": "to {to_int}"}
    digits = PHONE[1:]
    expected = {"to": int(digits), "also": [int(digits)], "text": f"to {digits}"}
    assert sender(fields=fields).request(message()).json == expected
    flat = sender(fields={"to": "{to_int}"}, encoding="form").request(message())
    assert flat.form == {"to": digits}


def reporting(**callback):
    defaults = {
        "id_path": "id",
        "status_path": "status",
        "code_path": "code",
        "statuses": {"DELIVRD": "delivered", 2: "undelivered", True: "read"},
    }
    fields = {"to": "{to}", "report": "{callback_url}"}
    return sender(fields=fields, callback={**defaults, **callback})


def json_of(data, url=OWN, kind="application/json", sid="VL1"):
    return Callback(url, "POST", {"content-type": kind}, json.dumps(data).encode(), sid)


def form_of(data, kind="application/x-www-form-urlencoded"):
    return Callback(OWN, "POST", {"content-type": kind}, urlencode(data).encode(), "VL1")


def query_of(data, method="GET"):
    return Callback(f"{OWN}?{urlencode(data)}", method, {}, b"", "VL1")


ONE = {"id": "7", "status": "DELIVRD"}
LOST = {"id": 8, "status": 2, "code": "ABSENT"}
FOUND, GONE = Report("7", "delivered"), Report("8", "undelivered", "ABSENT")


@pytest.mark.parametrize(
    ("callback", "options", "found"),
    [
        (json_of(ONE), {}, [FOUND]),
        (json_of(ONE, kind="text/plain"), {}, [FOUND]),
        (json_of([ONE, LOST]), {}, [FOUND, GONE]),
        (json_of({"results": [ONE, LOST]}), {"list_path": "results"}, [FOUND, GONE]),
        (json_of({"results": ONE}), {"list_path": "results"}, [FOUND]),
        (json_of({"a": {"b": [ONE]}}), {"list_path": "a.b"}, [FOUND]),
        (json_of({"a": [{"b": [ONE]}, {"b": [LOST]}]}), {"list_path": "a.b"}, [FOUND, GONE]),
        (json_of([{"id": "7", "r": [{"status": "DELIVRD"}]}]), {"list_path": "r"}, [FOUND]),
        (json_of({"data": json.dumps([ONE])}), {"list_path": "data"}, [FOUND]),
        (json_of({"id": 7, "status": True}), {}, [Report("7", "read")]),
        (json_of({"id": 7, "status": "delivrd"}), {}, [FOUND]),
        (form_of(ONE), {}, [FOUND]),
        (form_of(ONE, kind="application/x-www-form-urlencoded; charset=UTF-8"), {}, [FOUND]),
        (form_of(ONE, kind="text/plain"), {}, [FOUND]),
        (form_of({"data": json.dumps([ONE, LOST])}), {"list_path": "data"}, [FOUND, GONE]),
        (query_of(ONE), {}, [FOUND]),
        (query_of(ONE, "POST"), {}, [FOUND]),
        (query_of({"id": "7,8", "status": "DELIVRD,2", "code": ",ABSENT"}), {"separator": ","}, [FOUND, GONE]),
        (query_of({"id": "7,8", "status": "DELIVRD"}), {"separator": ","}, [FOUND]),
        (query_of({"status": "DELIVRD"}), {"id_path": ""}, [Report("", "delivered")]),
        (query_of({"id": "7", "status": "unheard of"}), {}, []),
        (query_of({}), {}, []),
        (json_of([]), {}, []),
        (json_of("DELIVRD"), {}, []),
        (json_of([[1], None, "x"]), {}, []),
        (json_of({"results": None}), {"list_path": "results"}, []),
    ],
)  # fmt: skip
def test_a_report_may_have_any_shape(callback, options, found):
    assert list(reporting(**options).reports(callback)) == found


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b"\xff\xfe", b'{"data":"[["}', (b"[" * 900) + (b"]" * 900)]
)
def test_a_report_that_cannot_be_read_is_refused_or_states_nothing(body):
    built = reporting(list_path="data")
    try:
        found = built.reports(Callback(OWN, "POST", {}, body, "VL1"))
    except CallbackRefused:
        return
    assert found == []


TOKEN = "t" * 16
ONE_BODY = urlencode({"id": "7", "status": "DELIVRD"}).encode()


def signed_query(query):
    """A report by GET whose header is the HMAC of its query."""
    proved = signed(FIXED, query.encode(), "x-signature", "", SECRET)
    return Callback(f"{FIXED}?{query}", "GET", proved.headers)


@pytest.mark.parametrize(
    ("options", "callback", "believed"),
    [
        ({}, query_of(ONE), True),
        ({}, Callback(f"{FIXED}?{urlencode(ONE)}", "GET"), False),
        ({"token": TOKEN}, Callback(f"{FIXED}?token={TOKEN}&{urlencode(ONE)}", "GET"), True),
        ({"token": TOKEN}, json_of(ONE, f"{FIXED}?token={TOKEN}", sid=""), True),
        ({"token": TOKEN}, json_of(ONE, f"{FIXED}?token={TOKEN}x", sid=""), False),
        ({"token": TOKEN}, json_of(ONE, f"{FIXED}?token={TOKEN}&token={TOKEN}", sid=""), False),
        ({"token": TOKEN}, json_of(ONE, FIXED, sid=""), False),
        ({"token": TOKEN}, json_of(ONE | {"token": TOKEN}, FIXED, sid=""), False),
        ({"token": TOKEN}, query_of(ONE), False),
        (
            {"secret": SECRET, "header": "X-Signature"},
            signed(FIXED, json.dumps(ONE).encode(), "x-signature", "", SECRET),
            True,
        ),
        (
            {"secret": SECRET, "header": "X-Signature"},
            signed(FIXED, urlencode(ONE).encode(), "x-signature", "", SECRET),
            True,
        ),
        (
            {"secret": SECRET, "header": "X-Signature"},
            signed(f"{FIXED}?{urlencode(ONE)}", b"", "x-signature", "", SECRET),
            False,
        ),
        ({"secret": SECRET, "header": "X-Signature"}, query_of(ONE), False),
        ({"secret": SECRET, "header": "X-Signature"}, signed_query(urlencode(ONE)), True),
        (
            {"secret": SECRET, "header": "X-Signature"},
            dataclasses.replace(signed_query(urlencode(ONE)), url=f"{FIXED}?{urlencode(LOST)}"),
            False,
        ),
        ({"secret": SECRET, "header": "X-Signature"}, signed_query(""), False),
        # What was signed is the body, and what is forged the query beside it.
        *(
            (
                {"secret": SECRET, "header": "X-Signature"},
                dataclasses.replace(
                    signed(FIXED, body, "x-signature", "", SECRET),
                    method=method,
                    url=f"{FIXED}?{urlencode(LOST)}",
                ),
                body == ONE_BODY or None,
            )
            for method in ("GET", "POST")
            for body in (ONE_BODY, b" \r\n")
        ),
    ],
)
def test_a_report_proves_where_it_comes_from(options, callback, believed, clock):
    built = reporting(**options)
    assert time.time()
    if believed:
        assert list(built.reports(callback)) == [FOUND]
        return
    with pytest.raises(CallbackRefused):
        built.reports(callback)


PLAINLY = {"id_path": "id", "status_path": "s", "statuses": {}}


@pytest.mark.parametrize(
    "options",
    [
        {"success": ()},
        {"success": ("status",)},
        {"success": "status"},
        {"success": [("a", 1), "b"]},
        {"pattern": "("},
        {"callback": PLAINLY},  # nothing proves it: the message has no address of its own
        {"callback": PLAINLY | {"secret": SECRET}},
        {"callback": PLAINLY | {"header": "X"}},
        {"callback": PLAINLY | {"secret": SECRET, "header": "X", "token": TOKEN}},
        {"callback": PLAINLY | {"token": "short"}},
        {"callback": {"status_path": "s", "statuses": {}, "token": TOKEN}},
        {"callback": PLAINLY | {"token": TOKEN, "statuses": {"x": "gone"}}},
    ],
    ids=repr,
)
def test_options_that_make_no_sense(options):
    with pytest.raises((ValueError, TypeError)) as caught:
        sender(**options)
    assert SECRET not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_longest_url_is_an_option():
    built = reporting(max_length=len(OWN))
    assert built.callback_max_length == len(OWN)
    assert built.request(message()).json["report"] == OWN
    assert built.request(message(callback_url=OWN + "A")).json["report"] == ""
