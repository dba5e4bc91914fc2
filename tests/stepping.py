"""Counts what a reader steps through: `python -m tests.stepping` prints it for a start and a check.

It counts calls of functions in the files of `django_verify`, from the view's method to the sender's `send`
(of a start, and without `send` itself) or to the end (of a check). Comprehensions and lambdas are left out,
and so is what Django calls for every column that it writes or reads (`models/fields.py`).
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "django_verify"
FIELDS = os.path.join("models", "fields.py")


@dataclass
class Steps:
    """What was stepped through: functions and files by name, and the deepest stack of interest."""

    functions: set = field(default_factory=set)
    files: set = field(default_factory=set)
    calls: int = 0
    frames: list = field(default_factory=list)

    def __str__(self):
        counted = (
            f"{self.calls} calls of {len(self.functions)} functions in {len(self.files)} files"
        )
        return f"{counted}; on the stack: {' → '.join(self.frames) or 'the view'}"


def name_of(frame):
    """The name of one of our functions; nothing for what is not counted."""
    path, name = frame.f_code.co_filename, frame.f_code.co_name
    if not path.startswith(str(PACKAGE)) or name.startswith("<") or path.endswith(FIELDS):
        return ""
    return f"{path.removeprefix(str(PACKAGE) + os.sep)}:{frame.f_code.co_qualname}"


class Stepper:
    """Follows one thread from the first function of that name to the last."""

    def __init__(self, first, last=""):
        self.first, self.last, self.steps, self.running = first, last, Steps(), False

    def __enter__(self):
        sys.setprofile(self._follow)
        return self.steps

    def __exit__(self, *error):
        sys.setprofile(None)

    def _follow(self, frame, event, argument):
        if event not in {"call", "return"} or not (name := name_of(frame)):
            return
        if event == "return":
            if name in {self.first, self.last}:
                self.running = False
            return
        if name == self.first:
            self.running = True
        if not self.running:
            return
        if name == self.last:
            self.steps.frames = self._stack(frame)
            return
        self.steps.calls += 1
        self.steps.functions.add(name)
        self.steps.files.add(name.partition(":")[0])

    def _stack(self, frame):
        found = []
        while frame is not None:
            if name := name_of(frame):
                found.append(name.partition(":")[2])
            frame = frame.f_back
        found.reverse()
        first = self.first.partition(":")[2]
        return found[found.index(first) :]


VIEW = "api/lean.py:LeanCreate._make"
SEND = "senders/locmem.py:LocmemSender.send"


def start_and_check(api, service, to):
    """Step through a start, up to the sender, and through a check with the right code."""
    from django_verify.crypto import codes
    from django_verify.models import Verification

    root = f"Services/{service.sid}"

    def ask_for(number):
        assert api.post(f"{root}/Verifications", {"To": number, "Channel": "sms"}).status == 201

    def enter_code_of(number):
        code = codes.reveal(Verification.objects.get(to=number))
        answer = api.post(f"{root}/VerificationCheck", {"To": number, "Code": code})
        assert answer.data["status"] == "approved"

    # What is made once in a process is no step.
    ask_for("+12024561111")
    enter_code_of("+12024561111")
    with Stepper(VIEW, SEND) as start:
        ask_for(to)
    with Stepper(VIEW) as check:
        enter_code_of(to)
    return start, check


def main():
    import django
    from django.test.utils import setup_test_environment

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    django.setup()
    setup_test_environment()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.conftest import PHONE, Api, make_account, make_service

    account = make_account()
    for name, steps in zip(
        ("start", "check"),
        start_and_check(Api(account.sid, account.token), make_service(account), PHONE),
        strict=True,
    ):
        lines = [f"{name}: {steps}", *(f"    {each}" for each in sorted(steps.functions))]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
