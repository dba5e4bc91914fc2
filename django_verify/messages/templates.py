"""Chooses the template text of a start, in its language, with the caller's values.

What a text may hold is decided in `text`; how it becomes a message, by the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_verify import exceptions, sids
from django_verify.exceptions import InvalidParameter
from django_verify.logs import logger
from django_verify.messages import channels, locales
from django_verify.messages.channels import Channel, Draft
from django_verify.models import Template, TemplateTranslation, VerifyService
from django_verify.text import confusables, placeholders
from django_verify.text.placeholders import TemplateText

_APPROVED = TemplateTranslation.Status.APPROVED


def choose(
    service: VerifyService,
    channel: Channel,
    sid: str,
    substitutions: Mapping[str, Any],
    *,
    locale: str,
    to: str,
) -> TemplateText | None:
    """Return the text of the template that the caller names, or else the service's default one.

    None means the channel's own text. A default that is gone, is not made for SMS, or wants values
    that the caller has not sent is skipped, because a person waits for the code. Raises what
    is wrong with the caller's choice.
    """
    template = _named(service, channel, sid) if sid else _default(service, channel)
    if template is None:
        return None
    translation = _translation(template, locale, to)
    if not (sid or substitutions) and placeholders.fault_of_values(translation.text, {}):
        logger.warning("%s: its default template wants values of the caller", service.sid)
        return None
    _refuse_values(translation.text, substitutions)
    values = {name: confusables.normalize(value) for name, value in substitutions.items()}
    return TemplateText(template.sid, translation.locale, translation.text, values)


def refuse_too_long(draft: Draft, channel: Channel) -> None:
    """Raise MessageTooLong if the text of a draft's template is too long with the code in it."""
    if draft.template_text is None:
        return
    text = placeholders.fill(
        draft.template_text.text,
        code=channels.spoken(draft.code) if channel.template_kind == "voice" else draft.code,
        brand=draft.friendly_name,
        minutes=draft.minutes,
        values=draft.template_text.substitutions,
    )
    if len(text) > placeholders.TEXT_LENGTH:
        raise exceptions.MessageTooLong


def exists(sid: str, account_sid: str) -> bool:
    """Whether an account may use a template."""
    return Template.of_account(account_sid).filter(sid=sids.canonical(sid)).exists()


def _named(service: VerifyService, channel: Channel, sid: str) -> Template:
    if not channel.template_kind:
        raise exceptions.TemplateNeedsText
    template = _find(service, sid)
    if template is None:
        raise exceptions.TemplateNotFound
    if channel.template_kind not in template.channels:
        raise exceptions.TemplateWithoutChannel
    return template


def _default(service: VerifyService, channel: Channel) -> Template | None:
    """Return the service's template; by the contract it is for SMS alone."""
    if not service.default_template_sid or channel.template_kind != "sms":
        return None
    template = _find(service, service.default_template_sid)
    if template is None or channel.template_kind not in template.channels:
        logger.warning("%s: its default template cannot be used", service.sid)
        return None
    return template


def _find(service: VerifyService, sid: str) -> Template | None:
    if not sids.is_sid("HJ", sid):
        return None
    return Template.of_account(service.account_id).filter(sid=sids.canonical(sid)).first()


def _translation(template: Template, locale: str, to: str) -> TemplateTranslation:
    """Return the approved text for the locale, its language, or else the template's default."""
    if locale and locales.read(locale) is None:
        raise InvalidParameter("locale", "not a locale")
    every = list(template.translations.all())
    approved = {row.locale: row for row in every if row.status == _APPROVED}
    if every and not approved:
        raise exceptions.TemplateNotApproved
    wanted = locale or channels.locale_of(to)
    if tag := locales.match(tuple(approved), wanted):
        return approved[tag]
    for row in approved.values():
        if row.is_default:
            return row
    raise exceptions.TranslationNotFound


def _refuse_values(text: str, substitutions: Mapping[str, Any]) -> None:
    parameter = "template_custom_substitutions"
    if reserved := [name for name in placeholders.RESERVED if name in substitutions]:
        raise InvalidParameter(parameter, f"{reserved[0]} is filled in by the service")
    if fault := placeholders.fault_of_values(text, substitutions):
        raise exceptions.InvalidSubstitutions(f"Template substitutions: {fault}")
    for name, value in substitutions.items():
        text_fault = (
            confusables.fault_of_substitution(confusables.normalize(value))
            if isinstance(value, str)
            else "it must be a text"
        )
        if text_fault:
            raise InvalidParameter(parameter, f"{name}: {text_fault}")
