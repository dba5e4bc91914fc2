"""What is different inside the processes of the matrix: short time-outs, and a clock that jumps."""

import logging
import os
import signal
import time
from importlib import import_module
from pathlib import Path

import time_machine
from django.apps import AppConfig
from django.conf import settings

from django_verify import signals
from django_verify.crypto import codes
from django_verify.net import client
from tests.faults.senders import notify, now

logger = logging.getLogger(__name__)


class Faults(AppConfig):
    """Puts the hooks in that a cell asks for."""

    name = "tests.faults"

    def ready(self):
        faults = settings.FAULTS
        limit()
        if "clock" in faults:
            move(faults["clock"])
            signal.signal(signal.SIGUSR1, lambda *_: move(float(Path(clock()).read_text())))
        if "BROKER_URL" in os.environ:
            import_module("tests.faults.shop")
        if "watched_by" in faults:
            watch(faults["watched_by"])


def limit():
    """Time-outs of providers as short as a cell asks for, or so long that a busy machine changes
    nothing; and loopback as a public address. tests/net/test_client.py has those that are in force.
    """
    real = client.call

    def call(*args, **options):
        patience = {"read": now.patience, "total": 2 * now.patience}
        return real(*args, **{**patience, **options, "public": False})

    client.call = call


def clock():
    return os.environ["FAULTS_CLOCK"]


def move(seconds):
    """Have the clock jump, and say so in the log."""
    time_machine.travel(time.time() + seconds).start()
    logger.warning("the clock jumped by %g", seconds)


def watch(provider):
    """Tell the provider of two moments of a request, where it may hold the process up."""
    real = codes.matches

    def matches(expected, given):
        notify(provider, "compared")
        return real(expected, given)

    codes.matches = matches
    signals.verification_starting.connect(lambda **_: notify(provider, "starting"), weak=False)
    try:
        from celery.signals import task_postrun
    except ImportError:
        return
    task_postrun.connect(lambda **_: notify(provider, "done"), weak=False)
