"""Runs the emulator until it is ended: prints where it is, and how to reach it."""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django_verify.contact import MISSING
from django_verify.emulator.options import RANDOM, RECIPIENT, Options


def run(options: Options) -> int:
    """Serve until SIGTERM, SIGINT or the end of the terminal, and return the exit status."""
    if find_spec("phonenumbers") is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    stop = threading.Event()
    # From here on, so that the folder of a site that does not stay goes with it.
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        # Windows has no SIGHUP, and `nohup` has it ignored.
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, lambda *_: stop.set())
    site = import_module("django_verify.emulator.site")
    with ExitStack() as stack:
        if options.database:
            database = Path(options.database).absolute()
        else:
            database = Path(stack.enter_context(site.folder())) / "emulator.sqlite3"
        try:
            site.configure(options, database)
            serve(options, stack, stop)
        except (OSError, ValueError, import_module("django.db").Error) as error:
            sys.stderr.write(f"django-verify emulator: {error}\n")
            return 1
    return 0


def serve(options: Options, stack: ExitStack, stop: threading.Event) -> None:
    """Make the tables, start the server, print where it is, and wait until `stop` is set."""
    fixed = import_module("django_verify.emulator.contents").fill(options)
    import_module("django_verify.emulator.fixed_codes").install(options.code, fixed)
    admission = import_module("django_verify.emulator.admission")
    admission.Running.register = admission.Register(options)
    views = import_module("django_verify.emulator.views")
    stack.enter_context(views.clock.running())
    views.reports.listen()
    if not options.limits:
        import_module("django_verify.emulator.approved").release()
    servers = import_module("django_verify.emulator.server")
    server = servers.Server(options.host, options.port, options.certificate, options.key)
    worker = servers.Worker()
    worker.start()
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    announce(options, facts(options, server))
    stop.wait()
    server.shutdown()
    server.server_close()
    worker.stop()
    import_module("django.db").connections.close_all()


def facts(options: Options, server: Any) -> dict[str, str]:
    """Return what a program needs to reach the emulator."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.host, options.host)  # noqa: S104
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    base = f"{server.scheme}://{host}:{server.server_port}"
    return {
        "base_url": base,
        "account_sid": options.account_sid,
        "auth_token": options.auth_token,
        "service_sid": options.service_sid,
        "inbox_url": f"{base}/emulator/",
    }


def announce(options: Options, found: dict[str, str]) -> None:
    """Print the facts, as one line of JSON or as lines to copy."""
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        codes = {RECIPIENT: "the last digits of the number", RANDOM: "as a site makes them"}
        lines = [
            f"The Verify v2 API answers at {found['base_url']}/v2",
            f"Messages: {found['inbox_url']}   Codes: {codes.get(options.code, options.code)}",
            "",
            f"TWILIO_ACCOUNT_SID={found['account_sid']}",
            f"TWILIO_AUTH_TOKEN={found['auth_token']}",
            f"TWILIO_VERIFY_SERVICE_SID={found['service_sid']}",
            "",
            "Ctrl+C ends it.",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
