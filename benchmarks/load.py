"""The clients: threads with one keep-alive connection each, and what they measured."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import islice
from typing import Any

from benchmarks.servers import Server
from benchmarks.sides import Call


@dataclass
class Phase:
    """Many calls of one kind: wall time, CPU time of the workers, each call's latency."""

    seconds: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)


#: What one round measured, by the kind of its requests.
Round = dict[str, Phase]


@dataclass
class Clients:
    """Connections to one server, a thread for each."""

    server: Server
    connections: list[HTTPConnection]
    #: Numbers that this side has approved, the one that was used longest ago first.
    known: deque[str] = field(default_factory=deque)

    def start(self, numbers: Sequence[str]) -> Phase:
        """Start each number."""
        return self._phase([self.server.side.start(to) for to in numbers])

    def check(self, started: Phase, *, right: bool = True) -> Phase:
        """Check what was started, each once, by its code or by another one."""
        calls = self.server.side.checks(self.server.url, started.answers, right=right)
        phase = self._phase(calls)
        if right:
            self.known.extend(answer["to"] for answer in started.answers)
        return phase

    def starts(self, numbers_to_verify: Iterator[str], count: int) -> Phase:
        """Start that many numbers, and check none of them."""
        return self.start(list(islice(numbers_to_verify, count)))

    def _phase(self, calls: Sequence[Call]) -> Phase:
        phase = Phase()
        failures: list[Exception] = []
        count = len(self.connections)
        threads = [
            threading.Thread(
                target=self._drive, args=(connection, calls[number::count], phase, failures)
            )
            for number, connection in enumerate(self.connections)
        ]
        # A connection stays with the worker that took it. Another one for each phase has every
        # worker get its share over the rounds.
        for connection in self.connections:
            connection.close()
            connection.connect()
        cpu, begin = self.server.cpu(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        phase.seconds, phase.cpu = time.perf_counter() - begin, self.server.cpu() - cpu
        if failures:
            raise failures[0]
        return phase

    def _drive(
        self,
        connection: HTTPConnection,
        calls: Sequence[Call],
        phase: Phase,
        failures: list[Exception],
    ) -> None:
        try:
            for call in calls:
                seconds, answer = self._send(connection, call)
                phase.latencies.append(seconds)
                phase.answers.append(answer)
        except Exception as error:
            failures.append(error)

    def _send(self, connection: HTTPConnection, call: Call) -> tuple[float, dict[str, Any]]:
        side = self.server.side
        headers = {"Authorization": side.credentials, "Content-Type": side.content_type}
        begin = time.perf_counter()
        connection.request("POST", call.path, call.body, headers)
        response = connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - begin
        answer = json.loads(body)
        if not call.is_answered_by(response.status, answer):
            raise RuntimeError(f"{side.name}: {call.path}: {response.status} {answer}")
        return seconds, {"to": call.to, **answer}


@contextmanager
def connect(server: Server, threads: int) -> Iterator[Clients]:
    """Open the connections."""
    connections = [HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(threads)]
    try:
        yield Clients(server, connections)
    finally:
        for connection in connections:
            connection.close()
