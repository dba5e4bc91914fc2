"""The file sender: whole JSON lines that their owner alone can read."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_verify import senders
from django_verify.senders import Message, TemporarySendError
from django_verify.senders.file import FileSender

BACKEND = "django_verify.senders.file.FileSender"
unprivileged = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def message(number=1, **values):
    defaults = {
        "channel": "sms",
        "to": "+14155552671",
        "body": f"Code {number:06d}",
        "attempt_sid": f"VL{number:032d}",
        "locale": "en",
    }
    return Message(**defaults | values)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.jsonl"


@pytest.fixture
def sender(path):
    return FileSender("file", path=path)


def test_a_message_is_one_json_line(sender, path):
    receipt = sender.send(message())
    assert receipt.provider_sid == message().attempt_sid
    (line,) = read(path)
    assert {"channel", "to", "body", "attempt_sid"} <= set(line)
    assert line["channel"] == "sms"
    assert line["to"] == "+14155552671"
    assert line["body"] == "Code 000001"
    assert line["attempt_sid"] == message().attempt_sid


def test_a_call_and_a_mail_keep_all_their_fields(sender, path):
    sender.send(message(channel="call", prompt="Press", send_digits="w1", tts_name="Ackmee"))
    sender.send(message(channel="email", subject="Your code"))
    call, mail = read(path)
    assert (call["prompt"], call["send_digits"], call["tts_name"]) == ("Press", "w1", "Ackmee")
    assert (mail["subject"], mail["prompt"]) == ("Your code", "")


def test_lines_are_appended(sender, path):
    for number in range(3):
        sender.send(message(number))
    assert [line["body"] for line in read(path)] == ["Code 000000", "Code 000001", "Code 000002"]


@pytest.mark.parametrize(
    "text", ["a\nb\r\nc", "رمز 1234", "\u2028\u2029\x85", '"\\', "😀"], ids=ascii
)
def test_any_text_stays_on_its_line(text, sender, path):
    sender.send(message(body=text))
    assert [line["body"] for line in read(path)] == [text]


def test_text_is_readable_without_unescaping(sender, path):
    sender.send(message(body="Код 1234"))
    assert "Код 1234" in path.read_text(encoding="utf-8")


def test_the_file_is_its_owners_alone(sender, path):
    before = os.umask(0)
    try:
        sender.send(message())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_threads_write_whole_lines(sender, path):
    def write(thread):
        for number in range(50):
            sender.send(message(thread * 50 + number, body="x" * 2_000))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    lines = read(path)
    assert len(lines) == 400
    assert {line["attempt_sid"] for line in lines} == {f"VL{n:032d}" for n in range(400)}
    assert {line["body"] for line in lines} == {"x" * 2_000}


def test_the_path_may_be_text(path):
    FileSender("file", path=str(path)).send(message())
    assert len(read(path)) == 1


def test_the_file_may_be_moved_away_between_messages(sender, path):
    sender.send(message(1))
    path.rename(path.with_suffix(".1"))
    sender.send(message(2))
    assert [line["body"] for line in read(path)] == ["Code 000002"]


@pytest.mark.parametrize("below", ["missing/outbox", "file/outbox"])
def test_without_its_folder_it_fails_for_now_and_its_check_states_so(below, tmp_path):
    (tmp_path / "file").write_text("")
    sender = FileSender("file", path=tmp_path / below)
    with pytest.raises(TemporarySendError, match="cannot write"):
        sender.send(message())
    (error,) = sender.check()
    assert error.id == "django_verify.E004"
    assert "'file'" in error.msg


def test_a_folder_in_place_of_the_file_fails_for_now(tmp_path):
    with pytest.raises(TemporarySendError, match="cannot write"):
        FileSender("file", path=tmp_path).send(message())


def test_a_folder_in_place_of_the_file_is_found_by_the_check(tmp_path):
    assert list(FileSender("file", path=tmp_path).check())


@pytest.fixture
def closed(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    return FileSender("file", path=folder / "outbox")


@unprivileged
def test_a_folder_that_may_not_be_written_fails_for_now(closed):
    with pytest.raises(TemporarySendError, match="Permission denied"):
        closed.send(message())


@unprivileged
def test_a_folder_that_may_not_be_written_is_found_by_the_check(closed):
    assert list(closed.check())


def test_the_path_is_required(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"out": {"BACKEND": BACKEND}}}
    with pytest.raises(ImproperlyConfigured, match=r"'out'.*'path'"):
        senders.configured()


def test_it_is_for_development(sender):
    assert sender.development is True
