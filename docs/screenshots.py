"""Takes the pictures of the documentation: `python -m docs.screenshots`; Chromium is needed.

A site of its own, on a database that is gone afterwards, has a fortnight of traffic.
"""

import datetime as dt
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docs.pictures import smaller

FOLDER = Path(__file__).with_name("screenshots")
#: Name of each picture, and size of the window.
PICTURES = {
    "dashboard": (1180, 980),
    "story": (1000, 860),
    "providers": (1180, 480),
    "start": (390, 560),
    "page": (390, 560),
}
NUMBERS = {
    "US": ("+1415555", 4), "DE": ("+4915112345", 3), "BR": ("+55119612345", 2),
    "FR": ("+3361234", 4), "IN": ("+9198765432", 2), "MX": ("+525512345", 3),
}  # fmt: skip
SENDERS = {"US": "twilio", "MX": "twilio", "BR": "twilio"}
DAYS = 14
REAL = {
    "twilio": {
        "BACKEND": "django_verify.senders.twilio.TwilioSender",
        "OPTIONS": {"account_sid": "AC" + 32 * "0", "auth_token": "none", "from_": "+14155550100"},
    },
    "vonage": {
        "BACKEND": "django_verify.senders.vonage.VonageSender",
        "OPTIONS": {"api_key": "none", "api_secret": "none", "sender": "Shop"},
    },
    "mail": {"BACKEND": "django_verify.senders.email.EmailSender"},
}
LOCMEM = "django_verify.senders.locmem.LocmemSender"


def main() -> None:
    """Take every picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None:
        sys.exit("There is no Chromium on the path.")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            # Playwright runs an event loop in this thread.
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
        }
        import django
        from django.conf import settings
        from django.core.management import call_command
        from django.core.signals import setting_changed

        settings.DJANGO_VERIFY = {
            "SENDERS": {"twilio": LOCMEM, "vonage": LOCMEM, "mail": LOCMEM},
            "ROUTES": {
                "sms": {"US": ["twilio"], "*": ["vonage", "twilio"]},
                "call": ["twilio"],
                "whatsapp": ["twilio"],
                "email": ["mail"],
            },
        }
        django.setup()
        call_command("migrate", verbosity=0)
        story = fill()
        # What is on the pages from now on goes nowhere: the number that is typed has a fixed code.
        settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"SENDERS": REAL, "TEST_NUMBERS": True}
        setting_changed.send(
            main, setting="DJANGO_VERIFY", value=settings.DJANGO_VERIFY, enter=True
        )
        take(browser, story)


def fill() -> str:
    """Write the traffic; return the SID of a verification with a story."""
    from django.utils import timezone

    from django_verify import rollups
    from django_verify.models import (
        Account,
        TestNumber,
        Verification,
        VerificationAttempt,
        VerifyService,
    )

    account = Account.objects.create(friendly_name="Shop")
    service = VerifyService.objects.create(
        account=account,
        friendly_name="Shop",
        client_enabled=True,
        client_channels=["sms", "call"],
        channels=["sms", "call", "whatsapp"],
    )
    pair = TestNumber(
        service=service,
        recipient="+14155552672",
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    pair.set_code("482913")
    pair.save()
    rng, now = random.Random(7), timezone.now()
    rows, attempts = [], []
    for serial in range(2600):
        age = dt.timedelta(days=rng.random() ** 1.2 * DAYS)
        row, attempt = _one(rng, service, serial, now - age)
        rows.append(row)
        attempts.append(attempt)
    Verification.objects.bulk_create(rows)
    VerificationAttempt.objects.bulk_create(attempts)
    rollups.advance()
    return _with_a_story(service)


def _with_a_story(service: Any) -> str:
    """Write a verification whose first message got lost; return its SID."""
    from django_verify import verifications
    from django_verify.crypto import codes
    from django_verify.models import Verification, VerificationAttempt
    from django_verify.testing.clock import Clock

    number, clock = "+1 415 555 2671", Clock()
    with clock.running():
        clock.shift(minutes=-7)
        sid = verifications.start(service, number, "sms").sid
        clock.shift(seconds=9)
        VerificationAttempt.objects.filter(verification_id=sid).update(
            message_status="undelivered",
            error_code="30005",
            error_message="Unknown destination handset",
            date_updated=clock.now,
        )
        clock.shift(seconds=32)
        verifications.start(service, number, "call")
        clock.shift(seconds=24)
        verifications.check(service, "000000", to=number)
        clock.shift(seconds=11)
        code = codes.reveal(Verification.objects.get(pk=sid))
        verifications.check(service, code, to=number)
    return sid


def _one(rng: random.Random, service: Any, serial: int, moment: dt.datetime) -> Any:
    """Return a verification of that moment and its attempt."""
    from django_verify import sids
    from django_verify.models import Verification, VerificationAttempt

    country = rng.choices(list(NUMBERS), [40, 20, 14, 10, 9, 7])[0]
    beginning, digits = NUMBERS[country]
    to = beginning + "".join(rng.choice("0123456789") for _ in range(digits))
    approved = rng.random() < (0.62 if country == "IN" else 0.86)
    lost = not approved and rng.random() < 0.4
    channel = rng.choices(["sms", "whatsapp", "call"], [80, 14, 6])[0]
    sid = sids.new_timed("VL", moment)
    row = Verification(
        sid=sids.new_timed("VE", moment),
        account_id=service.account_id,
        service=service,
        date_created=moment,
        date_updated=moment + dt.timedelta(seconds=rng.lognormvariate(3, 0.6)),
        sent_at=moment,
        expires_at=moment + dt.timedelta(minutes=10),
        serial=serial,
        code_length=6,
        max_checks=5,
        max_sends=5,
        to=to,
        recipient_key=to,
        channel=channel,
        status="approved" if approved else "expired",
        confirmed=approved,
        country=country,
        send_log=f"{channel} {sid}",
    )
    attempt = VerificationAttempt(
        sid=sid,
        verification=row,
        account_id=service.account_id,
        date_created=moment,
        date_updated=moment + dt.timedelta(seconds=4),
        tries=1,
        messages=1,
        channel=channel,
        via_channel=channel,
        locale="en",
        message_status="undelivered" if lost else "delivered",
        sender=SENDERS.get(country, "vonage"),
        provider_sid=sid,
        price_value=f"{rng.choice([0.0079, 0.031, 0.045]):.4f}",
        price_currency="USD",
        error_code="30005" if lost else "",
    )
    return row, attempt


@contextmanager
def _served() -> Iterator[str]:
    """Serve the site on a free port; yield its URL."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test.testcases import LiveServerThread

    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        thread.terminate()


def take(browser: str, story: str) -> None:
    """Visit the pages, and write the pictures."""
    from django.contrib.auth.models import User
    from django.test import Client
    from playwright.sync_api import sync_playwright

    boss = Client(headers={"host": "127.0.0.1"})
    boss.force_login(User.objects.create_superuser("boss"))
    cookie = boss.cookies["sessionid"].value
    with _served() as site, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        )
        context = chromium.new_context(locale="en-US", timezone_id="UTC")
        # Without the admin's menu there is more to see.
        context.add_init_script("localStorage['django.admin.navSidebarIsOpen'] = 'false'")
        page = context.new_page()

        def shoot(name: str, url: str = "") -> None:
            width, height = PICTURES[name]
            page.set_viewport_size({"width": width, "height": height})
            if url:
                page.goto(site + url)
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{name}.png").write_bytes(smaller(page.screenshot()))

        shoot("start", "/")
        page.fill("[name=number]", "+1 415 555 2672")
        page.click("main button[type=submit]")
        shoot("page")
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": site}])
        shoot("dashboard", "/admin/django_verify/dashboard/?period=7d")
        shoot("story", f"/admin/django_verify/verification/{story}/change/")
        shoot("providers", "/admin/django_verify/senderstate/")
        chromium.close()


if __name__ == "__main__":
    main()
