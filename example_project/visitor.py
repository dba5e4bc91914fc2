"""Who is visiting, and the service that verifies them; both stand for what a real site has.

A real site asks for a further factor of a user who is logged in. Here a visitor is given a name,
the session remembers it, and only that session adds factors to it.
"""

from __future__ import annotations

import secrets

from django.http import HttpRequest

from django_verify.models import Account, Entity, VerifyService

IDENTITY = "identity"
# Of the pages, and of the page that stands for an app.
PURPOSES = "verify\nsign-up"
SIGNED_IN = "signed_in_with"


def service() -> VerifyService | None:
    """Return the site's first service, made for its first account if need be."""
    found = VerifyService.objects.order_by("date_created", "sid").first()
    if found is None and (account := Account.objects.order_by("date_created", "sid").first()):
        found = VerifyService.objects.create(
            account=account,
            friendly_name="Example",
            client_enabled=True,
            client_purposes=PURPOSES,
        )
    return found


def identity(request: HttpRequest) -> str:
    """Return the visitor's name, given at the first factor; 8–64 letters, digits and hyphens."""
    if IDENTITY not in request.session:
        request.session[IDENTITY] = f"visitor-{secrets.token_hex(4)}"
    return str(request.session[IDENTITY])


def sign_in(request: HttpRequest, entity: Entity, way: str) -> None:
    """Let the session be the entity's; it gets a new key, so that no old one is worth having."""
    request.session.cycle_key()
    request.session[IDENTITY] = entity.identity
    request.session[SIGNED_IN] = way


def sign_out(request: HttpRequest) -> str:
    """Forget the visitor, and return the name."""
    name = str(request.session.get(IDENTITY, ""))
    request.session.flush()
    return name
