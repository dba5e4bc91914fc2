"""Twilio's sender against a mock made from Twilio's own OpenAPI document.

Runs where TWILIO_OPENAPI is the document's path and PRISM the command of `@stoplight/prism-cli`.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time

import pytest

from django_verify.senders.twilio import TwilioSender
from tests.senders.fakes import Twilio
from tests.senders.test_senders_over_http import message


@pytest.fixture(scope="module")
def mock():
    document, prism = os.environ.get("TWILIO_OPENAPI", ""), os.environ.get("PRISM", "prism")
    if not (document and shutil.which(prism)):
        pytest.skip("needs TWILIO_OPENAPI and prism")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # It refuses requests that the document does not allow.
    process = subprocess.Popen(
        [prism, "mock", "--errors", "--port", str(port), "--host", "127.0.0.1", document],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    "sent",
    [
        message(),
        message("whatsapp"),
        message("call", send_digits="ww1#"),
        message("call", prompt="Press any key"),
    ],
    ids=["sms", "whatsapp", "call", "call after a key"],
)
def test_twilios_document_allows_what_is_asked(mock, sent):
    sender = TwilioSender("it", **Twilio.options | {"base_url": mock})
    assert sender.send(sent).provider_sid
