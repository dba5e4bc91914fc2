"""Composes an attempt's message for one channel, with the URL for the provider's reports.

The code is in clear from here to the sender; nothing is written or sent here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, senders
from django_verify.crypto import codes, report_tokens
from django_verify.messages import channels
from django_verify.messages.channels import Draft
from django_verify.models import VerificationAttempt, VerifyService
from django_verify.text.placeholders import TemplateText


@sensitive_variables()
def message(attempt: VerificationAttempt, channel: str, alias: str = "") -> senders.Message:
    """Return the message for a channel and the sender that takes it.

    Raises LookupError when the key of the code is no longer configured.
    """
    verification = attempt.verification
    service, composed = verification.service, channels.get(channel).compose
    assert service is not None  # noqa: S101 - a start has one, and what is due is looked at for it
    assert composed is not None  # noqa: S101 - channels.get offers no other
    left = verification.expires_at - timezone.now()
    written = composed(
        draft(
            attempt,
            service,
            verification.to,
            codes.reveal(verification),
            max(-(-left // dt.timedelta(minutes=1)), 1),
            amount=verification.amount,
            payee=verification.payee,
            spaced=bool(verification.client),
        )
    )
    if verification.amount is not None:
        amount, payee = verification.amount, verification.payee or ""
        written = replace(written, amount=amount, payee=payee)
    url = _callback_url(attempt, alias) if alias else ""
    return replace(written, callback_url=url) if url else written


@sensitive_variables()
def draft(
    attempt: VerificationAttempt,
    service: VerifyService,
    to: str,
    code: str,
    minutes: int,
    *,
    spaced: bool = False,
    **transaction: str | None,
) -> Draft:
    """Return what a message is composed from, also for an attempt that is not written yet."""
    return Draft(
        attempt_sid=attempt.sid,
        to=to,
        code=code,
        friendly_name=attempt.custom_friendly_name or service.friendly_name,
        locale=attempt.locale,
        minutes=minutes,
        app_hash=attempt.app_hash,
        autofill_domain=attempt.autofill_domain,
        send_digits=attempt.send_digits,
        tts_name=service.tts_name,
        ask_for_key=service.dtmf_input_required,
        warn=service.do_not_share_warning_enabled,
        configuration=attempt.channel_configuration,
        spaced=spaced,
        template_text=TemplateText(**attempt.template) if attempt.template else None,
        **transaction,
    )


def _callback_url(attempt: VerificationAttempt, alias: str) -> str:
    """Return where the provider may report; empty where it cannot, or the site takes no reports.

    It names the attempt, because a report may come before the provider's id is on the row, and it
    is short, because some providers take few characters.
    """
    base, sender = conf.current().BASE_URL.rstrip("/"), senders.get(alias)
    if not (base and sender.reporting):
        return ""
    try:
        path = reverse("verify_site:report", args=[report_tokens.issue(attempt.sid, alias)])
    except NoReverseMatch:
        return ""
    url = base + path
    return "" if len(url) > (sender.callback_max_length or len(url)) else url
