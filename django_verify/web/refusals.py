"""Refusals in a site's own plain views: a middleware for all of them, a decorator for one.

A page in the site's frame for people, JSON for programs. REST framework's views are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin

from django_verify.exceptions import InvalidParameter
from django_verify.verifications import refusals
from django_verify.verifications.refusals import Refusal
from django_verify.web import sentences

View = Callable[..., Any]

TEMPLATE = "django_verify/web/refused.html"
_JSON = "application/json"


def answer(request: HttpRequest, error: Refusal) -> HttpResponse:
    """Return the answer to a request that was refused: a page, or JSON where that is preferred."""
    status, reason = refusals.status_of(error), refusals.reason_of(error)
    if _wants_json(request):
        response: HttpResponse = JsonResponse(_members(error, reason), status=status)
    else:
        context = {"sentence": sentences.of_refusal(error), "reason": reason}
        response = render(request, TEMPLATE, context, status=status)
    for name, value in refusals.headers_of(error).items():
        response[name] = value
    add_never_cache_headers(response)
    return response


class RefusalMiddleware(MiddlewareMixin):
    """Answers the refusals of every view that does not; a mistake stays a 500."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer, or leave the exception to the others."""
        return answer(request, exception) if refusals.is_refusal(exception) else None


def answers_refusals(view: View) -> View:
    """Do the same for one view; a request that is a transaction (`ATOMIC_REQUESTS`) is undone."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return await view(request, *args, **kwargs)
            except Exception as error:
                if not refusals.is_refusal(error):
                    raise
                return await sync_to_async(_undo_and_answer)(request, error)

        return guarded_async

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, *args, **kwargs)
        except Exception as error:
            if not refusals.is_refusal(error):
                raise
            return _undo_and_answer(request, error)

    return guarded


def _undo_and_answer(request: HttpRequest, error: Refusal) -> HttpResponse:
    # An exception that nobody caught would have undone it.
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
    return answer(request, error)


def _wants_json(request: HttpRequest) -> bool:
    """Whether a program asks; a script that sends JSON without naming its answer is one."""
    preferred = request.get_preferred_type(["text/html", _JSON])
    any_type = request.headers.get("Accept", "*/*").strip() == "*/*"
    return preferred == _JSON or (any_type and request.content_type == _JSON)


def _members(error: Refusal, reason: str) -> dict[str, Any]:
    members: dict[str, Any] = {"reason": reason, "message": refusals.message_of(error)}
    if isinstance(error, InvalidParameter):
        members |= {"parameter": error.parameter, "message": error.reason}
    if (wait := getattr(error, "retry_after", None)) is not None:
        members["retry_after"] = wait
    return members
