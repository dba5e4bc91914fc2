"""Measures what the guard adds to a start and a check: `python -m benchmarks.guard`.

One process serves two accounts of one PostgreSQL database, in short rounds by turns: the services
of one have the level `off`, those of the other `--level`. What is measured is processor time of
this process for each request, from WSGI to its answer, the reading of what is new included. The
numbers are those of a simulated site's people, of whom nine in ten enter their code.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import databases

# So many start before their codes are entered.
_TOGETHER = 20
_REGIONS = {"DE", "GB", "US"}
# Readings after which these countries have proved themselves, and caches are full.
_WARMING = 3
_REFRESH = 4
_Times = dict[tuple[str, str], list[float]]


def main() -> None:
    """Prepare both accounts, measure in turns, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, with nothing warm")
    parser.add_argument("--level", default="standard", choices=("basic", "standard", "max"))
    parser.add_argument("--rounds", type=int, help="of each account (60; quick: 1)")
    parser.add_argument("--starts", type=int, default=60, help="of a round (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 60)
    # Half of the time is the other account's: as many starts are learned of at once as by one.
    with databases.of_this_process(options.postgres, BENCH_GUARD_REFRESH=str(_REFRESH)) as url:
        _report(options.level, _measure(options, url))


def _measure(options: argparse.Namespace, url: str) -> _Times:
    from benchmarks.pumping import traffic
    from benchmarks.sides import Ours
    from django_verify.models import VerifyService

    sides = {}
    for level in ("off", options.level):
        sides[level] = Ours()
        sides[level].create()
        VerifyService.objects.filter(sid=sides[level].service).update(guard_level=level)
    numbers = _numbers(traffic.Traffic(1))
    times: _Times = defaultdict(list)
    ask = _asking(options.profile)
    warm_at = time.monotonic() + (0 if options.quick else _WARMING * _REFRESH)
    number = 0
    while number < options.rounds:
        is_warm = time.monotonic() >= warm_at
        for level in sorted(sides, reverse=bool(number % 2)):
            kept = times if is_warm else defaultdict(list)
            for _ in range(options.starts // _TOGETHER):
                _people(sides[level], url, numbers, ask, kept, level)
        number += is_warm
    return times


def _numbers(people: Any) -> Iterator[str]:
    """Yield numbers of people in countries that have proved themselves after some hundred codes."""
    from benchmarks.pumping.traffic import COUNTRIES

    begins = [begin for one in COUNTRIES if one.region in _REGIONS for begin in one.begins]
    while True:
        yield people.numbers.any(people.rng.choice(begins))


def _people(
    side: Any, url: str, numbers: Iterator[str], ask: Any, times: _Times, level: str
) -> None:
    """Let some people start, and most of them enter their codes."""
    answers = []
    for _ in range(_TOGETHER):
        answer, took = ask(side, side.start(next(numbers)))
        answers.append(answer)
        times["start", level].append(took)
    for call in side.checks(url, answers[: -_TOGETHER // 10]):
        _, took = ask(side, call)
        times["check", level].append(took)


def _asking(is_profiled: bool) -> Callable[[Any, Any], tuple[dict[str, Any], float]]:
    """Return what sends a call to the site, and returns its answer and milliseconds of CPU."""
    import atexit
    import cProfile
    import json
    import pstats

    from django.core.wsgi import get_wsgi_application

    site = get_wsgi_application()
    profile = cProfile.Profile(time.process_time)
    if is_profiled:
        atexit.register(lambda: pstats.Stats(profile).sort_stats("cumulative").print_stats(60))

    def ask(side: Any, call: Any) -> tuple[dict[str, Any], float]:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": call.path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_AUTHORIZATION": side.credentials,
            "CONTENT_TYPE": side.content_type,
            "CONTENT_LENGTH": str(len(call.body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(call.body),
            "wsgi.errors": io.StringIO(),
        }
        found: list[int] = []
        if is_profiled:
            profile.enable()
        began = time.process_time()
        response = site(environ, lambda status, *_: found.append(int(status[:3])))
        body = b"".join(response)
        response.close()
        took = (time.process_time() - began) * 1000
        profile.disable()
        answer = {"to": call.to, **json.loads(body)}
        assert call.is_answered_by(found[0], answer), (found, answer)
        return answer, took

    return ask


def _report(level: str, times: _Times) -> None:
    from django_verify.models import GuardDecision

    for kind in ("start", "check"):
        plain, guarded = times[kind, "off"], times[kind, level]
        for name, average in (("mean", statistics.fmean), ("median", statistics.median)):
            before, after = average(plain), average(guarded)
            print(
                f"{kind}, {name:6} of {len(guarded)}: off {before:6.3f} ms,"
                f" {level} {after:6.3f} ms, {after / before - 1:+.1%}"
            )
    print(f"{GuardDecision.objects.count()} starts were refused, or would have been")


if __name__ == "__main__":
    main()
