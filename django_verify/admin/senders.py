"""The providers: every sender of the settings, how it fares, and what an operator does about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.widgets import AdminRadioSelect
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from django_verify import conf
from django_verify.admin import labels, testmessages
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.forms import RADIOS, SenderTestForm
from django_verify.admin.recipients import error_text
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.delivery import circuit_breakers, providers
from django_verify.delivery.explanations import configured
from django_verify.delivery.providers import Provider, State
from django_verify.messages.channels import label
from django_verify.models import Price, SenderState

#: How many countries a page names before it counts the others.
COUNTRIES_SHOWN = 12

_EXPLANATIONS = {
    State.WORKING: _("It gets messages, in the order of the routes."),
    State.UNUSED: _("It is configured, and none of the newest messages went by it."),
    State.FAILING: _("Its last message failed. It keeps its place in the routes."),
    State.SKIPPED: _(
        "It failed several times in a row and comes last in every route. Now and then one message"
        " probes it, and its success puts it back in its place."
    ),
    State.PAUSED: _("It gets no messages. Other senders of a route take its place."),
}


class PauseForm(forms.Form):
    """For how long a sender is paused."""

    HOUR, DAY, OPEN = "hour", "day", "open"

    duration = forms.ChoiceField(
        label=_("Pause it"),
        choices=[
            (HOUR, _("for an hour")),
            (DAY, _("for a day")),
            (OPEN, _("until somebody resumes it")),
        ],
        initial=HOUR,
        widget=AdminRadioSelect(RADIOS),
    )

    def until(self) -> dt.datetime | None:
        """Return when the pause ends by itself; None: it does not."""
        hours = {self.HOUR: 1, self.DAY: 24}.get(self.cleaned_data["duration"])
        return timezone.now() + dt.timedelta(hours=hours) if hours else None


@admin.register(SenderState)
class SenderStateAdmin(LookOnly, ClosedAdmin):
    """Every sender of the settings; the rows are of those that have failed or were paused."""

    actions = None
    explanation = _(
        "Each sender of the settings. It takes messages when a service, or the settings' routes,"
        " name it for a channel."
    )

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with those of the actions.

        That of the test message stands outside the host's ATOMIC_REQUESTS, so that the message is
        sent, and its outcome known, before the page answers.
        """
        views: dict[str, Callable[..., HttpResponse]] = {
            "pause": self.pause_view,
            "resume": self.resume_view,
            "close": self.close_view,
            "test": self.test_view,
        }
        urls = []
        for name, view in views.items():
            wrapped = self.admin_site.admin_view(view)
            if name == "test":
                wrapped = outside_atomic_requests(wrapped)
            full = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
            urls.append(path(f"<path:object_id>/{name}/", wrapped, name=full))
        return [*urls, *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row, or an unsaved one for a sender that has none."""
        found = super().get_object(request, object_id, from_field)
        return found or (SenderState(alias=object_id) if configured(object_id) else None)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show every configured sender."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            "title": _("Providers"),
            "explanation": self.explanation,
            "providers": [self._summary(request, one) for one in providers.providers()],
            **_sample(),
            "is_list": True,
        }
        return self.page(request, "providers.html", None, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show one sender."""
        row = self._seen(request, object_id)
        provider = next(iter(providers.providers([row.alias])), None)
        if provider is None:
            raise Http404
        summary = self._summary(request, provider)
        context = {
            "title": row.alias,
            "provider": provider,
            **summary,
            "explanation": _EXPLANATIONS[provider.state],
            "countries": [
                (label(channel), _named(found, provider.shares[channel]))
                for channel, found in provider.countries.items()
            ],
            "prices": [
                f"{labels.price(amount)} {currency}".strip()
                for currency, amount in provider.prices.items()
            ],
            "listed_prices": _priced(provider.listed_prices),
            "has_base_url": bool(conf.current().BASE_URL),
            "traffic": [
                (_("last hour"), provider.hour, summary["hour_said"]),
                (_("last day"), provider.day, summary["day_said"]),
            ],
            "links": self._links(request, provider),
            **_sample(),
            "history_url": self.url_of("history", quote(row.alias)),
        }
        return self.page(request, "provider.html", row, context)

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for how long, and pause the sender."""
        row = self._acted_on(request, object_id, "pause_sender")
        form = PauseForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            circuit_breakers.pause(row.alias, form.until())
            chosen = dict(PauseForm.base_fields["duration"].choices)[form.cleaned_data["duration"]]  # type: ignore[attr-defined]
            note = gettext("Paused %(duration)s.") % {"duration": chosen}
            return self._done(request, row, note)
        alone = [str(label(channel)) for channel in providers.only_sender_of(row.alias)]
        context = {
            "title": _("Pause this provider?"),
            "explanation": _(
                "It gets no messages until the pause ends. Messages that are on their way stay with"
                " it, and their reports still count."
            ),
            "warning": alone
            and _(
                "No other sender serves these channels: %(channels)s. Their codes wait until the"
                " pause ends, and are dropped when they expire."
            )
            % {"channels": ", ".join(alone)},
            "form": form,
            "yes": _("Yes, pause it"),
        }
        return self.page(request, "provider_action.html", row, context)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and end the pause."""
        row = self._acted_on(request, object_id, "pause_sender")
        context = {
            "title": _("Resume this provider?"),
            "explanation": _("It gets messages again at once, in the order of the routes."),
            "yes": _("Yes, resume it"),
        }
        return self._once_confirmed(
            request, row, circuit_breakers.resume, gettext("Resumed."), context
        )

    def close_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and put a failing sender back in its place."""
        row = self._acted_on(request, object_id, "close_breaker")
        context = {
            "title": _("Use this provider again?"),
            "explanation": _(
                "Its failures in a row are forgotten, and it is back in its place in every route at"
                " once. If it still fails, it is skipped again after a few messages."
            ),
            "yes": _("Yes, use it again"),
        }
        return self._once_confirmed(
            request, row, circuit_breakers.close, gettext("Put back in its place."), context
        )

    def _once_confirmed(
        self,
        request: HttpRequest,
        row: SenderState,
        deed: Callable[[str], object],
        note: str,
        context: Mapping[str, object],
    ) -> HttpResponse:
        """Ask whether to do a deed to a sender, and do it on the answer."""
        if request.method == "POST":
            deed(row.alias)
            return self._done(request, row, note)
        return self.page(request, "provider_action.html", row, context)

    @method_decorator(sensitive_post_parameters())
    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a code by this sender alone, wait for the outcome, and show it."""
        row = self._acted_on(request, object_id, "test_sender")
        sender = configured(row.alias)
        if sender is None:
            raise Http404
        form = SenderTestForm(sender, request.POST if request.method == "POST" else None)
        if form.is_valid():
            service = form.cleaned_data["service"]
            service.only_sender = row.alias
            attempt = testmessages.send(service, form)
            if attempt is not None:
                note = gettext("Sent a test message (%(channel)s).")
                self.log_change(request, row, note % {"channel": attempt.channel})
                return testmessages.redirect(request, attempt)
        context = {
            "title": _("Send a test message"),
            "form": form,
            **testmessages.context(self.admin_site, request, sender=row.alias),
            "intro": _(
                "This sends a real code by this sender alone, whatever the routes are and even if"
                " it is paused. It counts against the recipient's limits like any other."
            ),
            "back": _("Back to the provider"),
        }
        return self.page(request, "test_message.html", row, context)

    def _summary(self, request: HttpRequest, provider: Provider) -> dict[str, Any]:
        """Return what both pages show of a sender."""
        row, problem = provider.row, provider.problem
        return {
            "provider": provider,
            "url": self.url_of("change", quote(provider.alias)),
            "channels": ", ".join(str(label(channel)) for channel in provider.channels),
            "state": provider.state.label,
            "until": row.paused_until if provider.state == State.PAUSED else None,
            "since": provider.since,
            "hour_said": labels.number(provider.hour.messages),
            "day_said": labels.number(provider.day.messages),
            "problem": problem and replace(problem, text=error_text(request, problem.text)),
        }

    def _links(self, request: HttpRequest, provider: Provider) -> list[tuple[str, Any]]:
        """Return URL and label of what the viewer may do with a sender now."""
        may, row = request.user.has_perm, provider.row
        asked = [
            ("test", "test_sender", _("Send a test message"), True),
            ("pause", "pause_sender", _("Pause"), provider.state != State.PAUSED),
            ("resume", "pause_sender", _("Resume"), provider.state == State.PAUSED),
            ("close", "close_breaker", _("Use it again"), row.failures > 0),
        ]
        return [
            (self.url_of(name, quote(provider.alias)), text)
            for name, permission, text, offered in asked
            if offered and may(f"django_verify.{permission}")
        ]

    def _seen(self, request: HttpRequest, object_id: str) -> SenderState:
        """Return a sender's row to look at. Raises PermissionDenied and Http404."""
        row: SenderState | None = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            raise Http404
        return row

    def _acted_on(self, request: HttpRequest, object_id: str, permission: str) -> SenderState:
        """Return a sender's row for an action. Raises PermissionDenied and Http404."""
        row = self._seen(request, object_id)
        if not request.user.has_perm(f"django_verify.{permission}"):
            raise PermissionDenied
        return row

    def _done(self, request: HttpRequest, row: SenderState, note: str) -> HttpResponse:
        """Note an action in the audit log, and lead back to the sender."""
        self.log_change(request, row, note)
        self.message_user(request, f"{row.alias}: {note}")
        return HttpResponseRedirect(self.url_of("change", quote(row.alias)))


def _sample() -> dict[str, object]:
    """Return how many messages the pages go by, as a number and as it is written."""
    return {"sample": providers.SAMPLE, "sample_said": labels.number(providers.SAMPLE)}


def _priced(rows: list[Price]) -> list[str]:
    """Return what the list of prices says, as people call countries and channels."""
    return [
        f"{labels.country(row.country)}, {labels.channel_of_rule(row.channel)}:"
        f" {row.amount.normalize():f} {row.currency}"
        for row in rows
    ]


def _named(found: list[str] | None, shares: Mapping[str, int]) -> str:
    """Return the countries of a channel as people call them, with the shares of a sender."""
    if found is None:
        return _shared(gettext("every country"), shares.get(conf.ELSEWHERE))
    if not found:
        return gettext("none by the settings' routes; a service may name it")
    names = sorted(
        _shared(labels.country(code), shares.get(code)) for code in found if code != conf.ELSEWHERE
    )
    if conf.ELSEWHERE in found:
        names.append(_shared(gettext("all other countries"), shares.get(conf.ELSEWHERE)))
    shown = ", ".join(names[:COUNTRIES_SHOWN])
    if (left := len(names) - COUNTRIES_SHOWN) > 0:
        return gettext("%(shown)s and %(left)d more") % {"shown": shown, "left": left}
    return shown


def _shared(name: str, share: int | None) -> str:
    return name if share is None else f"{name} ({share} %)"
