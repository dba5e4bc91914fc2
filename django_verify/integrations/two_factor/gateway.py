"""The gateway: `TWO_FACTOR_SMS_GATEWAY` and `TWO_FACTOR_CALL_GATEWAY` name its class.

two-factor-auth makes and compares the code; it is handed over as a custom code, so that the
service's senders, countries, guard and budgets hold for its message. The five guesses of a
verification do not: two-factor-auth has its own throttling.
"""

from __future__ import annotations

from typing import Any

from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import VerifyError
from django_verify.integrations import sending
from django_verify.logs import logger


class VerifyGateway:
    """Sends a device's token by the service of `INTEGRATIONS_SERVICE`."""

    @sensitive_variables()
    def send_sms(self, device: Any, token: str) -> None:
        """Send the token as a text message."""
        _send(device, token, "sms")

    @sensitive_variables()
    def make_call(self, device: Any, token: str) -> None:
        """Have the token read out in a call."""
        _send(device, token, "call")


@sensitive_variables()
def _send(device: Any, token: str, channel: str) -> None:
    """Send, or raise a refusal where the set-up catches it.

    A log-in asks for the code while its page is made, and catches nothing: there a refusal is
    logged, and the page offers the other devices and the backup tokens.
    """
    number = getattr(device.number, "as_e164", device.number)
    try:
        sending.send(str(number), token, channel)
    except VerifyError as error:
        if device.pk is None:
            raise
        logger.warning("two-factor-auth's code was not sent: %s (%s)", error, error.code)
