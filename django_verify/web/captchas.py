"""The captcha on the first page: the widget of the configured gate, and the token that it gives."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from django_verify import gates
from django_verify.gates import Gate
from django_verify.gates.choice import ChoiceGate
from django_verify.verifications import clients

# Where the widgets of the common providers, and a site's own, put what they have proved.
_FIELDS = ("gate_token", "h-captcha-response", "cf-turnstile-response", "g-recaptcha-response")


@dataclass(frozen=True, slots=True)
class Captcha:
    """What a page needs to show a widget; `name` is the gate's among several."""

    template: str
    site_key: str
    action: str
    name: str = ""


def configured() -> Captcha | None:
    """Return the widget of the site's gate, or of the first of several that has one."""
    gate = gates.configured()
    several = gate.gates.items() if isinstance(gate, ChoiceGate) else [("", gate)]
    return next((_of(gate, name) for name, gate in several if gate and gate.widget), None)


def token(request: HttpRequest) -> str:
    """Return what the widget has proved, as the gate wants it; empty for nothing."""
    given = next((text for field in _FIELDS if (text := request.POST.get(field))), "")
    captcha = configured()
    return f"{captcha.name}:{given}" if given and captcha and captcha.name else given


def _of(gate: Gate, name: str) -> Captcha:
    action = getattr(gate, "action", None)
    return Captcha(
        template=f"django_verify/web/gates/{gate.widget}.html",
        site_key=gate.site_key,
        action=clients.START if action is None else action,
        name=name,
    )
