"""Who may call the emulator: anyone, under any name, unless accounts are given.

The API is a site's and asks for credentials of its own. So those that a caller brought are replaced
by those of the account that it named, which is made where it is not there.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_verify import sids
from django_verify.api import auth
from django_verify.emulator import contents
from django_verify.emulator.options import Options
from django_verify.exceptions import VerifyError
from django_verify.models import Account, VerifyService

STRANGE_HOST = "call the emulator as localhost or 127.0.0.1, or start it with another --host"

_API = re.compile(r"/(?:verify/)?v2/|/v1/PhoneNumbers/")
_SERVICE = re.compile(r"/(?:verify/)?v2/Services/(VA[0-9a-fA-F]{32})(?:/|\Z)")


class Register:
    """Accounts and services as this process knows them: those that were there once are not made."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lock = threading.Lock()
        #: The tokens of accounts, which the database has as digests alone.
        self.tokens = {options.account_sid: options.auth_token}
        #: The account of each service that was seen, whether it is still there or not.
        self.owners: dict[str, str] = {}

    def admit(self, header: str, path: str) -> str:
        """Return the header by which the API knows the caller, with what it needs made."""
        found = _SERVICE.match(path)
        service_sid = sids.canonical(found[1]) if found else ""
        name = _name_in(header)
        if not name or name == auth.TOKEN_USER:
            return header
        if self.options.closed:
            if service_sid not in self.owners and service_sid and not self.options.strict:
                self._make_for(service_sid, header)
            return header
        account_sid = sids.canonical(name) if sids.is_sid("AC", name) else self.options.account_sid
        with self.lock:
            if service_sid:
                account_sid = self._owner(service_sid, account_sid)
            token = self._token(account_sid)
        pair = base64.b64encode(f"{account_sid}:{token}".encode()).decode()
        return f"Basic {pair}"

    def _make_for(self, service_sid: str, header: str) -> None:
        """Make a service for a caller whose credentials are right."""
        try:
            account = auth.caller(header).account
        except VerifyError:
            return
        with self.lock:
            self._owner(service_sid, account.sid)

    def _owner(self, service_sid: str, account_sid: str) -> str:
        """Return the account of a service, which is made where nobody has seen it."""
        if owner := self.owners.get(service_sid):
            return owner
        kept = VerifyService.objects.filter(sid=service_sid).values_list("account_id", flat=True)
        owner = kept.first()
        if owner is None:
            if self.options.strict:
                return account_sid
            self._token(account_sid)
            owner = account_sid
            contents.service(Account.objects.get(sid=account_sid), sid=service_sid)
        self.owners[service_sid] = owner
        return owner

    def _token(self, account_sid: str) -> str:
        """Return the token of an account, which is made where it is not there."""
        if account_sid not in self.tokens and not self.options.closed:
            account = Account.objects.filter(sid=account_sid).first()
            account = account or Account(sid=account_sid, friendly_name="Emulator")
            token = account.set_auth_token()
            account.save()
            self.tokens[account_sid] = token
        return self.tokens.get(account_sid, "")


class Running:
    """The register of this process, which the command sets before the first request."""

    register: Register | None = None


class Admission:
    """Middleware: replaces the credentials of a request to the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        try:
            request.get_host()
        except DisallowedHost:
            return JsonResponse({"error": STRANGE_HOST}, status=400)
        register = Running.register
        if register is not None and _API.match(request.path_info):
            header = request.META.get("HTTP_AUTHORIZATION", "")
            request.META["HTTP_AUTHORIZATION"] = register.admit(header, request.path_info)
        return self.get_response(request)


def _name_in(header: str) -> str:
    """Return the user name of a Basic header; empty for what is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""
