"""Errors of starting, sending and checking a verification."""

from __future__ import annotations

from enum import IntEnum

from django_verify.exceptions.base import VerifyError


class TemplateNotApproved(VerifyError):
    """None of the template's translations is approved."""

    code = 60201
    status = 400
    message = "Template translation is not approved"


class MaxChecksReached(VerifyError):
    """The guesses of this verification are used up; nothing was compared."""

    code = 60202
    status = 429
    message = "Max check attempts reached"


class MaxSendsReached(VerifyError):
    """No further message may go to this recipient for now; nothing was sent."""

    code = 60203
    status = 429
    message = "Max send attempts reached"


class LandlineRefused(VerifyError):
    """The service sends no SMS to landlines, and this is one."""

    code = 60205
    status = 403
    message = "SMS is not supported by landline phone numbers"


class TransactionRequired(VerifyError):
    """A PSD2 service needs the amount and the payee, at the start and at the check."""

    code = 60206
    status = 400
    message = "Amount and Payee are required by a service with PSD2 enabled"


class ConcurrentStarts(VerifyError):
    """Another start for the same recipient ran at this moment and won; nothing more was sent."""

    code = 60212
    status = 429
    message = "Too many concurrent requests for this recipient"


class ChannelWithoutPsd2(VerifyError):
    """The call channel cannot carry a PSD2 transaction."""

    code = 60214
    status = 400
    message = "The call channel does not support PSD2"


class EmailNotConfigured(VerifyError):
    """No sender is configured for e-mail."""

    code = 60217
    status = 400
    message = "The email channel is not configured"


class EmailTemplateUnknown(VerifyError):
    """No sender of e-mail knows the template that the start names."""

    code = 60218
    status = 400
    message = "The email template is not available"


class CheckTargetMissing(VerifyError):
    """A check names neither a recipient nor a verification."""

    code = 60221
    status = 400
    message = "Either To or VerificationSid is required"


class EmailSenderNotAllowed(VerifyError):
    """The service does not allow this From address."""

    code = 60222
    status = 403
    message = "The email from recipient is not allowed by the service"


class ChannelDisabled(VerifyError):
    """The service does not use this channel, or the site has no sender for it."""

    code = 60223
    status = 403
    message = "Delivery channel disabled"


class InvalidSubstitutions(VerifyError):
    """The template's own values are missing, unknown, or not a JSON object."""

    code = 60224
    status = 400
    message = "Template substitutions are missing or not valid JSON"


class TemplateWithoutChannel(VerifyError):
    """The template is not made for this channel."""

    code = 60227
    status = 400
    message = "The template does not support this channel"


class TemplateNotFound(VerifyError):
    """The named template does not exist."""

    code = 60228
    status = 400
    message = "Template not found"


class TranslationNotFound(VerifyError):
    """The template has no text for the locale, and none by default."""

    code = 60229
    status = 400
    message = "Template translation not found"


class CustomMessageUnsupported(VerifyError):
    """A whole message text is not accepted from the caller."""

    code = 60243
    status = 400
    message = "CustomMessage is not supported"


class SnaWithoutPsd2(VerifyError):
    """The sna channel cannot carry a PSD2 transaction."""

    code = 60329
    status = 400
    message = "The sna channel does not support PSD2"


class MessageTooLong(VerifyError):
    """The finished text is longer than 500 characters."""

    code = 60247
    status = 400
    message = "Message is longer than 500 characters"


class LocaleNotSpoken(VerifyError):
    """The call channel has no speech text in the requested locale."""

    code = 60331
    status = 400
    message = "The locale is not supported by the call channel"


class SnaFailed(VerifyError):
    """The gateway to the carriers gave no URL; another channel may do."""

    code = 60510
    status = 503
    message = "Silent network authentication is not available at the moment"


class NoUsableChannel(VerifyError):
    """The auto channel found none that the service offers for this recipient."""

    code = 60550
    status = 400
    message = "No channel is available for this recipient"


class TemplateNeedsText(VerifyError):
    """TemplateSid belongs to the sms and call channels alone."""

    code = 60408
    status = 400
    message = "TemplateSid is supported by the sms and call channels only"


class AppHashNeedsSms(VerifyError):
    """An app hash belongs to the sms channel alone."""

    code = 60602
    status = 400
    message = "AppHash is supported by the sms channel only"


class WhatsappNotConfigured(VerifyError):
    """No sender is configured for WhatsApp."""

    code = 68008
    status = 400
    message = "The whatsapp channel is not configured"


class Noted(IntEnum):
    """Numbers that stand in an answer or on an attempt, and refuse nothing."""

    #: Silent network authentication: the number is not that of the SIM.
    SNA_MISMATCH = 60500
    #: Silent network authentication: the device has not opened the URL yet.
    SNA_PENDING = 60519
    #: Silent network authentication: the URL is unknown, used or too old.
    SNA_URL_FAILED = 60520
    #: The carrier look-up failed, and the start went on without it.
    LOOKUP_FAILED = 60600
