"""Views for machines other than the API's callers: providers, load balancers, readers of proofs."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.utils.encoding import escape_uri_path
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from django_verify import conf, health, senders
from django_verify.crypto import report_tokens
from django_verify.db import reconnect
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.delivery import reports as delivery_reports
from django_verify.exceptions import LengthRequired
from django_verify.logs import logger
from django_verify.net import chunked
from django_verify.proofs import keys as proof_keys
from django_verify.senders import Callback, CallbackRefused, Sender

# How the text of a handshake begins that is no plain text: a call's further instructions would be
# read aloud as such.
_KINDS = {"<?xml": "text/xml", "{": "application/json"}


@csrf_exempt
@never_cache
@outside_atomic_requests
@require_http_methods(["GET", "POST"])
@sensitive_variables()
def report(request: HttpRequest, token: str) -> HttpResponse:
    """Take a provider's report on the one attempt that the URL was given out for."""
    reporting = [alias for alias, sender in senders.configured().items() if sender.reporting]
    found = report_tokens.read(token, reporting)
    if found is None:
        raise Http404
    alias, attempt_sid = found
    return _take(request, alias, attempt_sid)


@csrf_exempt
@never_cache
@outside_atomic_requests
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@sensitive_variables()
def callback(request: HttpRequest, alias: str) -> HttpResponse:
    """Take a provider's reports at the sender's one URL, which its dashboard has."""
    return _take(request, alias)


@sensitive_variables()
def _take(request: HttpRequest, alias: str, attempt_sid: str = "") -> HttpResponse:
    """Answer 200 without a body, or 403 where the signature is not right.

    The signature is verified before anything else, on the URL that we gave the provider.
    Where something of ours fails, 503 has the provider come again.
    """
    sender = _reporting(alias)
    try:
        return _answer(request, sender, attempt_sid)
    except CallbackRefused:
        return HttpResponse(status=403)
    except Exception as error:  # noqa: BLE001 - a provider is never shown a page of ours
        logger.error("a callback of %r failed: %s", alias, type(error).__name__)
        return HttpResponse(status=503, headers=reconnect.unavailable().headers)


def _reporting(alias: str) -> Sender:
    sender = senders.configured().get(alias)
    if sender is None or not sender.reporting or not conf.current().BASE_URL:
        raise Http404
    return sender


@sensitive_variables()
def _answer(request: HttpRequest, sender: Sender, attempt_sid: str) -> HttpResponse:
    try:
        body = _body(request)
    except (UnreadablePostError, RawPostDataException):
        return HttpResponse(status=400)
    except LengthRequired as error:
        return HttpResponse(status=error.status)
    if body is None:
        return HttpResponse(status=413)
    query = request.META.get("QUERY_STRING", "")
    base = conf.current().BASE_URL.rstrip("/")
    given = Callback(
        url=f"{base}{escape_uri_path(request.path)}{'?' if query else ''}{query}",
        method=str(request.method),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        attempt_sid=attempt_sid,
    )
    # Some try a URL before they use it, and some report by GET.
    text = sender.handshake(given)
    if text is not None:
        kind = next((kind for mark, kind in _KINDS.items() if text.startswith(mark)), "text/plain")
        return HttpResponse(text, content_type=kind, headers={"X-Content-Type-Options": "nosniff"})
    delivery_reports.record(sender.alias, sender.reports(given), attempt_sid)
    return HttpResponse(sender.report_answer, content_type="text/plain")


def _body(request: HttpRequest) -> bytes | None:
    """Return the body, or None where it is larger than MAX_BODY, whatever its Content-Length."""
    chunked.receive(request)
    limit = conf.current().MAX_BODY
    body = request.read(limit + 1)
    return body if len(body) <= limit else None


@never_cache
@outside_atomic_requests
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Report whether this site can take a start: 200 or 503; with `?live`, whether it answers."""
    if "live" in request.GET:
        return livez(request)
    found = health.examine()
    return JsonResponse(found.public(), status=200 if found.ready else 503)


@never_cache
@outside_atomic_requests
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Report that the process answers; asks no database, so that an outage restarts no process."""
    return JsonResponse({"status": "ok"})


@cache_control(public=True, max_age=proof_keys.PUBLISHED_FOR)
@outside_atomic_requests
@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Publish the public keys of proofs, as a JSON Web Key Set; none where they are shared keys."""
    keys = {"keys": proof_keys.published()}
    return JsonResponse(keys, content_type="application/jwk-set+json")
