"""`django-verify`, and `python -m django_verify`: what runs without a Django project."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from django_verify import __version__

EMULATOR = "emulator"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="django-verify")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    options = import_module("django_verify.emulator.options")
    about = "the whole Verify v2 API on this machine, for the tests of programs that call it"
    options.declare(commands.add_parser(EMULATOR, help=about, description=f"Runs {about}."))
    given = parser.parse_args(arguments)
    try:
        chosen = options.read(given)
    except ValueError as error:
        parser.error(str(error))
    # It configures Django, which is imported no earlier than it is needed.
    status: int = import_module("django_verify.emulator.command").run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
