"""The viewset base of both wires: every policy is set here, and errors become answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from django_verify.db.autocommit import outside_atomic_requests
from django_verify.exceptions import VerifyError
from django_verify.net import chunked
from django_verify.rest import bodies, errors


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Endpoint(ViewSet):
    """A viewset that a host's REST_FRAMEWORK does not reach; a subclass sets its permissions."""

    # Named even where it is empty: what a class does not set is the host's REST_FRAMEWORK.
    permission_classes = ()
    throttle_classes = ()
    parser_classes: Sequence[type[BaseParser]] = (bodies.NestedParser,)
    renderer_classes = (bodies.Renderer,)
    content_negotiation_class = bodies.Negotiation
    metadata_class = None
    versioning_class = None

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view, outside the host's ATOMIC_REQUESTS: a charge must not be rolled back."""
        return outside_atomic_requests(super().as_view(actions, **initkwargs))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read a body that came in chunks, before anything asks for it."""
        chunked.receive(request._request)  # noqa: SLF001 - REST framework has no name for it
        super().initial(request, *args, **kwargs)

    def refuse(self, error: VerifyError, cause: Exception) -> Response:
        """Return an error in the shape of this wire; `cause` is what was raised."""
        raise NotImplementedError

    def handle_exception(self, exc: Exception) -> Response:
        """Answer every exception in the shape of this wire, whatever the host configured."""
        response = self.refuse(errors.as_verify_error(exc), exc)
        response.exception = True
        return response
