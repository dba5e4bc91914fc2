"""One side behind gunicorn on a free loopback port, and the CPU time of its workers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.sides import SIDES, Side

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Server:
    """A running side."""

    side: Side
    url: str
    port: int
    pid: int
    statements: dict[str, dict[str, int]]

    def cpu(self) -> float:
        """Return the seconds of CPU that the workers have used; 0 where there is no /proc."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == self.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serve(
    name: str,
    url: str,
    *,
    key: str,
    workers: int,
    threads: int,
    bare: bool = False,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Prepare a side on a database, and serve it for as long as the block runs.

    `more` goes into its environment.
    """
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SIDES[name].settings,
        "DATABASE_URL": url,
        "SECRET_KEY": key,
        "DEBUG": "0",
        "BENCH_BARE": str(int(bare)),
    }
    prepare = [sys.executable, "-m", "benchmarks.prepare", name]
    output = subprocess.run(prepare, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    environment |= more
    prepared = json.loads(output.stdout)
    side = SIDES[name](**prepared["side"])
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _gunicorn(side, listener.fileno(), workers, threads),
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        port = listener.getsockname()[1]
        listener.close()
        try:
            yield Server(side, url, port, process.pid, prepared["statements"])
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def deliverer(server: Server, key: str, more: Mapping[str, str]) -> Iterator[None]:
    """Send what the starts of a server leave behind, for as long as the block runs."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": server.side.settings,
        "DATABASE_URL": server.url,
        "SECRET_KEY": key,
        "DEBUG": "0",
        **more,
    }
    command = [sys.executable, "manage.py", "deliverattempts", "--loop", "--interval", "0.1"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _gunicorn(side: Side, descriptor: int, workers: int, threads: int) -> list[str]:
    options = {
        "config": "python:benchmarks.gunicorn_conf",
        "bind": f"fd://{descriptor}",
        "worker-class": "gthread",
        "workers": workers,
        "threads": threads,
        "keep-alive": 75,
        "log-level": "warning",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "gunicorn", *flags, side.application]
