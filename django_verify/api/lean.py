"""The short way of the two operations that are asked all day, a start and a check.

They are viewsets under the same policies as every other, and answer the same; what is left out is
REST framework's machinery around a request, and the reading of what this process has in memory.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from django_verify import sids
from django_verify.api import auth
from django_verify.api.mixins import Create
from django_verify.api.resource import ServiceResource
from django_verify.db import config_cache
from django_verify.db.config_cache import Known
from django_verify.models import VerifyService
from django_verify.net import chunked
from django_verify.rest import bodies
from django_verify.rest.bodies import Values


class LeanCreate(Create, ServiceResource):
    """POST on the collection of a service.

    The caller and the service are at first those that the process remembers, and the statement
    that `perform_create` sends before it writes compares them. Until then nothing has happened,
    so whatever fails by then is done again with what the database has.
    """

    #: What a request in its first try goes by; None: what was just read.
    known: Known | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer a POST; all else, and what the host has read already, goes the long way."""
        action = self.action_map.get((request.method or "").lower())
        if action != "create" or request._read_started:  # type: ignore[attr-defined]  # noqa: SLF001
            return super().dispatch(request, *args, **kwargs)
        # As Django's decorator does: a middleware of the host's may still fail behind the answer.
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        self.action, self.args, self.kwargs = action, args, kwargs
        self.request: Any = request
        self.asked_at = timezone.now()
        try:
            chunked.receive(request)
            made = self._make(request.META.get("HTTP_AUTHORIZATION", ""))
            return self._http(self.represent(made), self.created, {})
        except Exception as error:  # noqa: BLE001 - every one has an answer on this wire
            refusal = self.handle_exception(error)
            return self._http(refusal.data, refusal.status_code, dict(refusal.items()))

    def _make(self, header: str) -> Any:
        """Create by what is remembered of the caller, or else by what the database has."""
        if (caller := auth.known_caller(header)) and caller.credential:
            self.known = Known(caller.credential)
            try:
                self.admit(caller)
                return self.perform_create(**self.read(self.parameters))
            except Exception:
                if self.known.is_confirmed:
                    raise
            self.known = None
        self.admit(auth.caller(header))
        made = self.perform_create(**self.read(self.parameters))
        if self.caller.credential is not None:
            config_cache.remember(self.caller.credential)
        return made

    @cached_property
    def _body(self) -> tuple[Values, Exception | None]:
        """The parameters, or what is wrong with them: a body can be read once."""
        try:
            return bodies.read(self.http, self.parser_classes), None
        except Exception as error:  # noqa: BLE001 - raised where the parameters are asked for
            return {}, error

    def body(self) -> Values:
        """Return the body's parameters."""
        if not isinstance(self.request, HttpRequest):
            return super().body()
        values, error = self._body
        if error is not None:
            raise error
        return values

    @property
    def service(self) -> VerifyService:
        """The service that the path names, for verbs that need its identity only."""
        return self._remembered() or super().service

    def loaded_service(self) -> VerifyService:
        """Return the service that the path names, from memory in the first try. Raises NotFound."""
        credential = self.caller.credential
        if self.known is not None:
            self.known.service = self._remembered()
            if self.known.service is None:
                raise config_cache.Outdated
            return self.known.service
        found = super().loaded_service()
        if credential is not None:
            config_cache.remember(credential, found)
        return found

    def _remembered(self) -> VerifyService | None:
        sid = sids.canonical(self.kwargs["service_sid"])
        return config_cache.service(sid, self.account.sid)

    def _http(self, data: Any, status: int, headers: dict[str, str]) -> HttpResponse:
        """Return Django's answer, with the headers that REST framework's has."""
        answer = HttpResponse(_RENDERER.render(data), content_type=_JSON, status=status)
        for name, value in (*self.default_response_headers.items(), *headers.items()):
            if name != "Content-Type":
                answer.headers[name] = value
        self.finish(answer)
        return answer


_RENDERER = bodies.Renderer()
_JSON = f"{_RENDERER.media_type}; charset={_RENDERER.charset}"
