"""The cookie of a known device: the tokens that approvals in this browser have returned.

It opens nothing. A start that has it draws on sends and guesses that strangers cannot use up.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.verifications import devices

NAME = "verify_device_token"


@sensitive_variables()
def device_token(request: HttpRequest) -> str:
    """Return the tokens in the request, as the verbs take them."""
    return request.COOKIES.get(NAME, "")


@sensitive_variables()
def remember(request: HttpRequest, response: HttpResponseBase, token: str, path: str) -> None:
    """Add the token of an approval to the cookie; the newest stand first, and the oldest go."""
    if not token:
        return
    before = [each for each in device_token(request).split(devices.SEPARATOR) if each != token]
    response.set_cookie(
        NAME,
        devices.SEPARATOR.join([token, *filter(None, before)][: devices.MOST]),
        max_age=conf.current().KNOWN_DEVICE_DAYS * 86_400,
        path=path,
        secure=conf.secure_cookies() or request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
