"""Bodies without a length: what a client sends in chunks, made readable like any other."""

from __future__ import annotations

from io import BytesIO

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from django_verify import conf, exceptions


def receive(request: HttpRequest) -> None:
    """Read a body that came in chunks, and give the request its length; others are left alone.

    Django and REST framework take a request without Content-Length for one without a body, so
    that its parameters would be lost in silence. At most MAX_BODY bytes and one are read. Raises
    LengthRequired where the server does not mark the end of the body (`wsgi.input_terminated`).
    """
    meta = request.META
    if (
        meta.get("CONTENT_LENGTH")
        or "chunked" not in meta.get("HTTP_TRANSFER_ENCODING", "").lower()
    ):
        return
    if hasattr(request, "_body"):  # a middleware has read it already
        meta["CONTENT_LENGTH"] = str(len(request.body))
        return
    stream = request._stream  # noqa: SLF001 - there is no other way in
    if isinstance(request, WSGIRequest):
        if not request.environ.get("wsgi.input_terminated"):
            raise exceptions.LengthRequired
        stream = request.environ["wsgi.input"]
    body = stream.read(conf.current().MAX_BODY + 1)
    request._stream = BytesIO(body)  # noqa: SLF001
    meta["CONTENT_LENGTH"] = str(len(body))
