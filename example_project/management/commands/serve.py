"""`manage.py serve`: the example site for development, with credentials to copy; `make serve`."""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from django_verify.crypto import codes
from django_verify.models import Account, VerifyService
from example_project import visitor

PHONE = "+14155552671"
ADMIN = "admin"
# Browsers make passkeys for names alone: on 127.0.0.1 there are none.
HOST = "localhost"


@dataclass(frozen=True)
class Site:
    """What one needs to use the site."""

    account_sid: str
    auth_token: str
    service_sid: str
    admin_password: str


class Command(BaseCommand):
    """Sets up the database that the settings name, prints how to use the site, and runs it."""

    help = "Migrate, make an account, a service and an admin login, print them, run the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The site listens on loopback alone."""
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up, print, run until interrupted."""
        if not settings.DEBUG:
            raise CommandError("serve resets a password: it is for development, with DEBUG=true.")
        port = options["port"]
        refuse_duplicate(port)
        call_command("migrate", verbosity=0, interactive=False)
        site = set_up(settings.BASE_DIR / "db.sqlite3.credentials", port)
        self.stdout.write(describe(site, f"http://127.0.0.1:{port}", f"http://{HOST}:{port}"))
        self.stdout.flush()
        call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)


def refuse_duplicate(port: int) -> None:
    """Raise CommandError when nothing can listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} cannot be used ({error}). Choose another: make serve PORT=8001"
            ) from None


def set_up(credentials: Path, port: int = 8000) -> Site:
    """Return working credentials; run again, the same account and service, and a new password.

    The database keeps only a hash of the auth token, so the token is remembered in a file beside
    it, which its owner alone can read. Without the file, a new account is made.
    """
    sid, token = remembered(credentials) or new_account(credentials)
    service = VerifyService.objects.filter(account_id=sid).order_by("date_created", "sid").first()
    if service is None:
        service = VerifyService.objects.create(account_id=sid, friendly_name="Example")
    open_to_pages(service)
    allow_passkeys(service, f"http://{HOST}:{port}")
    password = secrets.token_urlsafe(12)
    user, _ = User.objects.get_or_create(username=ADMIN)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return Site(sid, token, service.sid, password)


def open_to_pages(service: VerifyService) -> None:
    """Let pages and apps use the service, unless they have one already."""
    if not VerifyService.objects.filter(client_enabled=True).exists():
        service.client_enabled = True
        service.client_purposes = visitor.PURPOSES
        service.save()


def allow_passkeys(service: VerifyService, origin: str) -> None:
    """Let browsers make and use passkeys on this origin, unless the service has a site already."""
    if service.passkeys_relying_party_id not in {"", HOST}:
        return
    service.passkeys_relying_party_id = HOST
    service.passkeys_relying_party_name = service.friendly_name
    service.passkeys_relying_party_origins = origin
    service.passkeys_authenticator_attachment = "any"
    service.passkeys_discoverable_credentials = "required"
    service.passkeys_user_verification = "required"
    service.save()


def remembered(credentials: Path) -> tuple[str, str] | None:
    """Return the SID and token of the file if they still open an account."""
    try:
        saved = json.loads(credentials.read_text())
        sid, token = saved["account_sid"], saved["auth_token"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    account = Account.objects.filter(sid=sid, is_active=True).first()
    if account is None or not codes.secret_matches(account.auth_token_hash, token):
        return None
    return sid, token


def new_account(credentials: Path) -> tuple[str, str]:
    """Make an account and write its SID and token to the file."""
    output = io.StringIO()
    call_command("createverifyaccount", friendly_name="Example", stdout=output)
    credentials.unlink(missing_ok=True)
    handle = os.open(credentials, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(output.getvalue())
    made = json.loads(output.getvalue())
    return made["account_sid"], made["auth_token"]


def describe(site: Site, url: str, page: str) -> str:
    """Return what to do with the site, with commands that work as they are."""
    call = f"curl -u {site.account_sid}:{site.auth_token}"
    service = f"{url}/v2/Services/{site.service_sid}"
    where = settings.VERIFY_OUTBOX or "this terminal"
    return f"""
django-verify is set up.

  API          {url}/v2
  User name    {site.account_sid}
  Password     {site.auth_token}
  Admin        {url}/admin/   {ADMIN} / {site.admin_password}
  Try it       {page}/
  Messages     appear in {where}

Send a code, then check it (put the code of the message in place of 123456):

{call} {service}/Verifications \\
    --data-urlencode To={PHONE} -d Channel=sms

{call} {service}/VerificationCheck \\
    --data-urlencode To={PHONE} -d Code=123456

Another service, and the list of all:

{call} {url}/v2/Services -d FriendlyName=Acme
{call} {url}/v2/Services

"""
