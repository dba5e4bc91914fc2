"""The pages: number, code, done; every step that sends or checks is a POST and ends in a redirect.

A GET sends nothing, consumes nothing and ends nothing, so that link scanners and the back button
do no harm. A page that stands again with what is wrong about a form has sent nothing either.
"""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic.base import TemplateView

from django_verify.contact import phones
from django_verify.db import reconnect
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.exceptions import InvalidParameter, MaxChecksReached, NotFound, VerifyError
from django_verify.logs import logger
from django_verify.messages import channels, locales
from django_verify.models import Verification, VerifyService
from django_verify.net.times import seconds_until
from django_verify.verifications import clients, offers
from django_verify.verifications.clients import Caller, State, VerificationOver
from django_verify.verifications.offers import ClientsNotServed
from django_verify.web import captchas, cookies, sentences, sessions
from django_verify.web.callers import caller
from django_verify.web.forms import CodeForm, StartForm
from django_verify.web.sessions import UnderWay

_APP = "verify_web"
_LONGEST_URL = 2000
_REGION = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?-([A-Za-z]{2})\b")


class Page(TemplateView):
    """What the steps share: the current step, the recipient, and the notice for the next page."""

    #: The service that sends; None: the one that is open to clients (`CLIENT_SERVICE`).
    service: VerifyService | None = None
    #: Where a verified visitor goes who came without `next`; empty: the last page of the flow.
    success_url: str = ""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside the host's ATOMIC_REQUESTS: a charge must not be rolled back."""
        return outside_atomic_requests(never_cache(csrf_protect(super().as_view(**initkwargs))))

    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Go on, or report that nothing can be verified here."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except ClientsNotServed:
            context = self.get_context_data()
            closed = "django_verify/web/closed.html"
            return self.response_class(request, [closed], context, status=503)
        except reconnect.FAILURES as error:
            logger.error("a page found no database: %s", type(error).__name__)
            # Neither the session nor the site's own templates, which may need the database too.
            page = render_to_string("django_verify/web/unavailable.html")
            return HttpResponse(page, status=503, headers=reconnect.unavailable().headers)

    def get_service(self) -> VerifyService:
        """Return the service. Raises ClientsNotServed where there is none to use."""
        self.service = self.service or offers.offered()
        return self.service

    def get_caller(self) -> Caller:
        """Return who asks; a number that is proved is kept for the caller's user."""
        return caller(self.request)

    def step(self, name: str) -> str:
        """Return the path of a step, in the instance of the URLs that this request came by."""
        match = self.request.resolver_match
        return reverse(":".join([*(match.namespaces if match else [_APP]), name]))

    def locale(self, channel: str) -> str:
        """Return the language of the message: the page's, where the channel speaks it."""
        known = channels.CHANNELS[channel].locales if channel in channels.CHANNELS else ()
        return locales.match(known, get_language() or "") or ""

    def trusted(self, url: str) -> str:
        """Return a URL that a visitor may be sent to; empty for another site's."""
        fine = len(url) <= _LONGEST_URL and url_has_allowed_host_and_scheme(
            url, {self.request.get_host()}, require_https=self.request.is_secure()
        )
        return url if fine else ""

    def start_url(self, url: str = "") -> str:
        """Return where to begin anew, on the way to the same place."""
        return self.step("start") + ("?" + urlencode({"next": url}) if url else "")

    def go(self, name: str, kind: str = "", sentence: sentences.Text = "") -> HttpResponse:
        """Redirect to a step, which shows the sentence."""
        if kind:
            sessions.set_notice(self.request, kind, sentence)
        return redirect(self.step(name))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the sentence that was left for this page; a code's goes to its form."""
        kind, sentence = (
            ("", "") if self.request.method == "HEAD" else sessions.pop_notice(self.request)
        )
        return super().get_context_data(
            **{"notice": sentence, "notice_kind": kind, "start_url": self.start_url(), **kwargs}
        )


class StartView(Page):
    """Asks for the number, and sends the code."""

    template_name = "django_verify/web/start.html"
    form_class: type[StartForm] = StartForm
    #: What the recipient is verified for, one of the service's purposes; empty: its first.
    purpose: str = ""
    #: The country that is chosen at first; empty: as the browser's language has it.
    country: str = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form."""
        return self.show(self.form())

    @sensitive_variables()
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send the code, and go on to the page that asks for it."""
        form = self.form(request.POST)
        if not form.is_valid():
            return self.show(form)
        to, channel = form.cleaned_data["to"], form.cleaned_data["channel"]
        url = self.trusted(request.POST.get("next", ""))
        try:
            if sentence := self.go_on(to, channel):
                return self.go("check", "done", sentence)
            state = self.start(to, channel)
        except ClientsNotServed:
            raise
        except VerifyError as error:
            form.add_error(None, self.sentence(error, to))
            return self.show(form)
        sessions.begin(request, state, url)
        return self.go("check")

    @sensitive_variables()
    def start(self, to: str, channel: str) -> State:
        """Have the code sent."""
        return clients.start(
            self.get_service(),
            to,
            channel,
            caller=self.get_caller(),
            purpose=self.purpose,
            gate_token=captchas.token(self.request),
            locale=self.locale(channel),
        )

    @sensitive_variables()
    def go_on(self, to: str, channel: str) -> str:
        """Go on with what this session has under way for the recipient; return the notice.

        The form was sent twice, or again by way of the back button: another verification would
        cost another message, and guesses.
        """
        mine = sessions.under_way(self.request)
        state = self._state(mine) if mine else None
        if mine is None or state is None or state.next_send_at is None:
            return ""
        if not channels.same_recipient(state.to, to):
            return ""
        if self.purpose and state.purpose != self.purpose:
            return ""
        if state.next_send_at > timezone.now():
            return str(sentences.SENT_BEFORE)
        answer = clients.resend(
            mine.sid,
            mine.secret,
            channel,
            caller=self.get_caller(),
            locale=self.locale(channel),
        )
        return sentences.sent_again(answer.channel)

    def _state(self, mine: UnderWay) -> State | None:
        try:
            return clients.fetch(mine.sid, mine.secret, caller=self.get_caller())
        except VerifyError:
            return None

    def sentence(self, error: VerifyError, to: str) -> str:
        """Return the sentence for an error."""
        return sentences.of_error(error, to)

    def form(self, data: Any = None) -> StartForm:
        """Return the form for the channels on offer."""
        offered = self.offered_channels()
        return self.form_class(
            data,
            channels=offered,
            country=self.country or self._country(),
            regions=offers.regions_on_offer(self.get_service(), offered),
        )

    def offered_channels(self) -> list[str]:
        """Return the channels to choose from, the preferred one first."""
        return offers.channels_on_offer(self.get_service())

    def show(self, form: StartForm) -> HttpResponse:
        """Show the form, with what is wrong about it."""
        form.focus()
        given = self.request.POST if self.request.method == "POST" else self.request.GET
        context = self.get_context_data(
            form=form,
            next=self.trusted(given.get("next", "")),
            gate=captchas.configured(),
            check_url=self.step("check") if sessions.under_way(self.request) else "",
        )
        return self.render_to_response(context)

    def _country(self) -> str:
        found = _REGION.match(self.request.headers.get("Accept-Language", ""))
        return found[1].upper() if found else ""


class CheckView(Page):
    """Asks for the code, and checks it."""

    template_name = "django_verify/web/check.html"
    form_class: type[CodeForm] = CodeForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, or how the verification has ended."""
        mine = sessions.under_way(request)
        if mine is None:
            return self.go("done" if sessions.verified(request) else "start")
        return self.show(mine)

    @sensitive_variables()
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the code, once."""
        mine = sessions.under_way(request)
        if mine is None:
            return self._without()
        if request.POST.get("verification", mine.sid) != mine.sid:
            return self.go("check", "error", sentences.ANOTHER_TAB)
        form = self.form_class(request.POST, length=mine.code_length)
        if not form.is_valid():
            return self.show(mine, form)
        try:
            state = clients.check(
                mine.sid, mine.secret, form.cleaned_data["code"], caller=self.get_caller()
            )
        except (VerificationOver, MaxChecksReached):
            return self.go("check")
        except InvalidParameter:
            return self.go("check", "code", sentences.NO_CODE)
        except NotFound:
            return self.lose()
        except VerifyError as error:
            return self.go("check", "error", sentences.of_error(error))
        if state.valid:
            return self.approve(mine, state)
        if not state.checks_left:
            return self.go("check")
        return self.go("check", "code", sentences.wrong_code(state.checks_left))

    def approve(self, mine: UnderWay, state: State) -> HttpResponseBase:
        """Remember the recipient, and send the visitor to where it was needed."""
        # The visitor's own URL is used as it is, never resolved as a view's name.
        target = self.trusted(mine.next) or (self.success_url and resolve_url(self.success_url))
        sessions.finish(self.request, state, target if state.refused else "")
        # Whose number was not kept has to read why.
        answer = self.verified(state) or (
            self.go("done") if state.refused or not target else HttpResponseRedirect(target)
        )
        cookies.remember(self.request, answer, state.device_token, self.step("start"))
        return answer

    def verified(self, state: State) -> HttpResponseBase | None:
        """Do what the site wants with an approved recipient; a response replaces the redirect."""
        return None

    def lose(self) -> HttpResponse:
        """Begin anew: what this session had under way is not its own any more."""
        sessions.forget(self.request)
        return self.go("start", "error", sentences.SESSION_LOST)

    def _without(self) -> HttpResponse:
        if sessions.verified(self.request):
            return self.go("done")
        return self.go("start", "error", sentences.SESSION_LOST)

    @sensitive_variables()
    def show(self, mine: UnderWay, form: CodeForm | None = None) -> HttpResponse:
        """Show the form, or how the verification has ended."""
        try:
            state = clients.fetch(mine.sid, mine.secret, caller=self.get_caller())
        except NotFound:
            return redirect(self.start_url(mine.next))
        except VerifyError as error:
            context = self.get_context_data(notice=sentences.of_error(error), notice_kind="error")
            return self.render_to_response(context)
        context = self.get_context_data(
            state=state,
            to=shown(state.to),
            start_url=self.start_url(mine.next),
            resend_url=self.step("resend"),
        )
        if state.status != Verification.Status.PENDING:
            return self.render_to_response({**context, "ended": state.status})
        if form is None:
            problem = context["notice"] if context["notice_kind"] == "code" else ""
            form = self.form_class(problem=problem, length=state.code_length)
        form.focus()
        others = [(name, sentences.instead(name)) for name in state.channels]
        context |= {"form": form, "others": others, "undelivered": sentences.undelivered(state)}
        return self.render_to_response({**context, **_wait(state)})


class ResendView(Page):
    """Sends the code again, by the same or another channel."""

    http_method_names = ["post", "options"]

    @sensitive_variables()
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send, or report when that is allowed."""
        mine = sessions.under_way(request)
        if mine is None:
            return self.go("start", "error", sentences.SESSION_LOST)
        if request.POST.get("verification", mine.sid) != mine.sid:
            return self.go("check", "error", sentences.ANOTHER_TAB)
        channel = request.POST.get("channel", "")
        try:
            state = clients.resend(
                mine.sid,
                mine.secret,
                channel,
                caller=self.get_caller(),
                locale=self.locale(channel),
            )
        except clients.ResendTooSoon as error:
            return self.go("check", "error", sentences.too_soon(error.retry_after or 1))
        except (VerificationOver, MaxChecksReached):
            return self.go("check")
        except VerifyError as error:
            return self.go("check", "error", sentences.of_error(error))
        return self.go("check", "done", sentences.sent_again(state.channel))


class DoneView(Page):
    """Shows that the recipient is verified, or why the user could not be given it."""

    template_name = "django_verify/web/done.html"

    @sensitive_variables()
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it to whom it concerns; others begin."""
        found = sessions.verified(request)
        if found is None:
            return self.go("start")
        context = self.get_context_data(
            to=shown(found.to),
            is_email="@" in found.to,
            done=not found.refused,
            refused=sentences.of_refusals(found.refused),
            next=found.next,
        )
        return self.render_to_response(context)


def shown(to: str) -> str:
    """Return a recipient as it stands on a page, in one piece in every script."""
    text = to if "@" in to else phones.display(to)
    return format_html('<bdi class="number" dir="ltr">{}</bdi>', text)


def _wait(state: State) -> dict[str, Any]:
    """Return how long the next message has to wait, in seconds and in words."""
    if state.next_send_at is None:
        return {"may_resend": False}
    now = timezone.now()
    seconds = seconds_until(state.next_send_at, now) if state.next_send_at > now else 0
    words = format_html("<span data-verify-left>{}</span>", sentences.duration(seconds))
    return {"may_resend": True, "wait": seconds, "duration": words}
