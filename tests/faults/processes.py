"""The processes of the matrix: workers, servers, a Redis; and the database as if it restarted."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import requests
from django.db import connection

from django_verify import conf
from tests.conftest import database_url
from tests.faults.senders import configured

ROOT = Path(__file__).resolve().parent.parent.parent
# Many are started, and the checks take a third of each start.
LOOP = ("--loop", "--interval", "0.05", "--skip-checks")
SWEEPER = ("manage.py", "deliverattempts", *LOOP)
PATIENCE = 120


def eventually(condition, received=lambda: ""):
    """Ask again and again, for minutes at most, and return the first answer that is true."""
    for _ in range(PATIENCE * 50):
        if answer := condition():
            return answer
        threading.Event().wait(0.02)
    raise AssertionError(f"it never came to be\n{received()}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """A process with a log; its group dies with it."""

    def __init__(self, command, folder, **environment):
        self.path = folder / f"{len(list(folder.iterdir()))}.log"
        self.clock = self.path.with_suffix(".clock")
        environment = {**os.environ, **environment, "FAULTS_CLOCK": str(self.clock)}
        with self.path.open("w") as log:
            self.popen = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self):
        return self.path.read_text()

    def says(self, text, times=1):
        """Wait until the log has a text."""
        eventually(lambda: self.log.count(text) >= times, lambda: self.log)

    def wait(self):
        """Wait until it has ended; return the exit code."""
        return self.popen.wait(PATIENCE)

    def kill(self):
        """SIGKILL for all that is left of it."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def send_signal(self, number):
        """Send a signal to each of its processes, unless it has ended."""
        if self.popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)

    def stop(self):
        """End it as a supervisor does; return the exit code."""
        self.popen.terminate()
        return self.wait()

    def jump(self, seconds):
        """Have its clock jump, now."""
        before = self.log.count("the clock jumped")
        self.clock.write_text(str(seconds))
        os.kill(self.popen.pid, signal.SIGUSR1)
        self.says("the clock jumped", before + 1)


class Site:
    """A site of several processes on the database of the tests, and one provider."""

    def __init__(self, provider, folder):
        self.provider, self.folder, self.running = provider, folder, []

    def start(self, *command, values=(), environment=(), **faults):
        """Start a command of Python's; `values` are settings, the rest is what the cell asks for."""
        faults["verify"] = configured(self.provider, **dict(values))
        return self.keep(
            Process(
                [sys.executable, *command],
                self.folder,
                DJANGO_SETTINGS_MODULE="tests.faults.settings",
                DATABASE_URL=database_url(),
                FAULTS=json.dumps(faults),
                **dict(environment),
            )
        )

    def keep(self, process):
        self.running.append(process)
        return process

    def deliverer(self, **more):
        return self.start(*SWEEPER, **more)

    def documented(self, program, **more):
        """Start what docs/delivery.md has to run; its package `shop` is `tests.faults.shop`."""
        text = (ROOT / "docs/delivery.md").read_text()
        (line,) = re.findall(rf"^(?:python )?{program} [^#\n]*", text, re.MULTILINE)
        first, *others = shlex.split(line.replace(" shop ", " tests.faults.shop "))
        command = others if first == "python" else ["-m", first, *others]
        return self.start(*command, **more)

    def web(self, **more):
        """Start a server of the example site, and return it once it answers."""
        port = free_port()
        web = self.start(
            *("-m", "gunicorn", "--threads", "4", "--bind", f"127.0.0.1:{port}"),
            *("--no-control-socket", "example_project.wsgi"),
            **{"watched_by": f"{self.provider.url}/web", **more},
        )
        web.url = f"http://127.0.0.1:{port}/"
        eventually(lambda: self._answers(web), lambda: web.log)
        return web

    def _answers(self, web):
        try:
            return requests.get(f"{web.url}nothing", timeout=PATIENCE).status_code == 404
        except requests.ConnectionError:
            return False

    def rescuer(self, leases=1):
        """Start a deliverer for which this many leases in a row have lapsed already, by its clock."""
        return self.deliverer(clock=leases * (conf.current().DELIVERY_LEASE + 30))

    def only(self, *processes):
        """Have these processes go on, and stop all others."""
        self.pause()
        for process in processes:
            process.send_signal(signal.SIGCONT)

    def pause(self):
        """Stop all processes, none of them in the middle of a statement or a transaction."""
        living = [process for process in self.running if process.popen.poll() is None]

        def still():
            for process in living:
                process.send_signal(signal.SIGSTOP)
            if not busy_sessions():
                return True
            for process in living:
                process.send_signal(signal.SIGCONT)
            return False

        eventually(still)

    def end(self):
        for process in self.running:
            process.kill()


class Client:
    """A backend that calls the API of a web process."""

    def __init__(self, web, account, service):
        self.root, self.auth = f"{web.url}v2/Services/{service.sid}/", (account.sid, account.token)

    def post(self, path, **form):
        return requests.post(self.root + path, form, auth=self.auth, timeout=PATIENCE)

    def start(self, to, **form):
        return self.post("Verifications", To=to, Channel="sms", **form)

    def check(self, to, code):
        return self.post("VerificationCheck", To=to, Code=code)


class Redis(Process):
    """A Redis of our own, since this one is going to die."""

    available = shutil.which("redis-server") is not None

    def __init__(self, folder, port=0):
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": str(folder)}
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        super().__init__(["redis-server", *flags], folder)
        self.says("Ready to accept connections")


def busy_sessions():
    """How many other sessions of this database are at something."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


@contextmanager
def database_down():
    """The database as its clients see it while the server restarts.

    Every session is cut off at once, whatever it is doing, and new ones are refused until the end of
    the block; what was not committed is gone. That is all that a client sees of a restart, and
    the server itself cannot be restarted here, for it serves other test runs as well.
    """
    name = connection.settings_dict["NAME"]
    connection.close()
    operator = psycopg.connect(database_url().rpartition("/")[0] + "/postgres", autocommit=True)
    try:
        operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        sessions = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        operator.execute(f"{sessions} WHERE datname = %s", [name])
        yield
    finally:
        operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        operator.close()
