"""Sides behind gunicorn on free loopback ports, with the CPU time and memory of their workers."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.sides import SIDES, VARIANTS, Side

ROOT = Path(__file__).resolve().parent.parent
_EVERY = SIDES | VARIANTS


@dataclass
class Prepared:
    """A side with its database, ready to be served."""

    name: str
    url: str
    python: str
    environment: dict[str, str]
    side: Side
    statements: dict[str, dict[str, int]]


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
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._workers())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> tuple[float, float]:
        """Return the mean resident and proportional megabytes of a worker."""
        found = []
        for process, _ in self._workers():
            try:
                text = (process / "smaps_rollup").read_text()
            except OSError:
                continue
            figures = dict(re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE))
            found.append((int(figures["Rss"]) / 1024, int(figures["Pss"]) / 1024))
        count = len(found) or 1
        return sum(rss for rss, _ in found) / count, sum(pss for _, pss in found) / count

    def _workers(self) -> Iterator[tuple[Path, list[str]]]:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == self.pid:
                yield stat.parent, fields


def prepare(
    name: str,
    url: str,
    *,
    key: str,
    python: str = sys.executable,
    middleware: bool = False,
    rows: int = 0,
) -> Prepared:
    """Make a side's tables on a database, and what its callers need, in a process of its own."""
    kind = _EVERY[name]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": kind.settings,
        "DATABASE_URL": url,
        "SECRET_KEY": key,
        "DEBUG": "0",
        "BENCH_MIDDLEWARE": str(int(middleware)),
        **kind.environ,
    }
    command = [python, "-m", "benchmarks.prepare", name, str(rows)]
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return Prepared(name, url, python, environment, kind(**found["side"]), found["statements"])


@contextmanager
def serve(
    prepared: Prepared,
    *,
    workers: int,
    threads: int,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Serve a side for as long as the block runs; `more` goes into its environment."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.TemporaryFile() as log,
        tempfile.TemporaryDirectory() as ready,
    ):
        process = subprocess.Popen(
            _gunicorn(prepared.python, listener.fileno(), workers, threads),
            cwd=ROOT,
            env={**prepared.environment, **more, "BENCH_READY": ready},
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        port = listener.getsockname()[1]
        listener.close()
        try:
            _wait(process, Path(ready), workers)
            yield Server(prepared.side, prepared.url, port, process.pid, prepared.statements)
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


def _wait(process: subprocess.Popen[bytes], ready: Path, workers: int) -> None:
    """Wait until each worker has loaded the site."""
    deadline = time.monotonic() + 60
    while len(list(ready.iterdir())) < workers:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("The server did not start.")
        time.sleep(0.05)


@contextmanager
def deliverer(prepared: Prepared, more: Mapping[str, str]) -> Iterator[None]:
    """Send what the starts of a server leave behind, for as long as the block runs."""
    command = [prepared.python, "manage.py", "deliverattempts", "--loop", "--interval", "0.1"]
    environment = {**prepared.environment, **more}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _gunicorn(python: str, descriptor: int, workers: int, threads: int) -> list[str]:
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
    return [python, "-m", "gunicorn", *flags, "benchmarks.wsgi"]
