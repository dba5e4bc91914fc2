"""The viewset base of every resource of the API.

A resource is a declaration: its path, its key, its parameters, its representation, and the verbs
of `mixins` that it has. The policies are those of `rest.views`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import conf, exceptions, sids
from django_verify.api import wire
from django_verify.api.auth import BasicAuthentication, Caller
from django_verify.api.rows import only
from django_verify.db import queries
from django_verify.exceptions import InvalidParameter, NotFound, VerifyError
from django_verify.models import AccessToken, Account, Factor, VerifyService
from django_verify.rest import bodies
from django_verify.rest.answers import Answer
from django_verify.rest.bodies import Values
from django_verify.rest.views import Endpoint

MAX_PAGE_SIZE = 1000


class PageSize(wire.Integer):
    """1–1000; more has an error number of its own."""

    def to_internal_value(self, data: str) -> int:
        """Return the size. Raises PageTooLarge."""
        if data.isascii() and data.isdigit() and int(data[:9]) > MAX_PAGE_SIZE:
            raise exceptions.PageTooLarge
        return super().to_internal_value(data)


class PageParameters(wire.Parameters):
    """The query of every list."""

    PageSize = PageSize(1, MAX_PAGE_SIZE, required=False)
    Page = wire.Integer(0, 999_999_999, required=False)
    PageToken = wire.Text(required=False)


class Resource(Endpoint):
    """Base of every resource of the API.

    `path` is the collection's, relative to the API's root, `lookup` the instance's key in it.
    """

    path: ClassVar[str]
    lookup: ClassVar[str] = "sid"
    prefix: ClassVar[str] = ""
    key: ClassVar[str] = ""
    model: ClassVar[type[Model]]
    #: The relation by which a new object belongs to its `parent`.
    below: ClassVar[str] = "account"
    parameters: ClassVar[type[wire.Parameters]]
    update_parameters: ClassVar[type[wire.Parameters] | None] = None
    filters: ClassVar[type[wire.Parameters]] = PageParameters
    answer: ClassVar[type[Answer]]
    #: The shape of an object that was just created, where it has more members than later.
    created_answer: ClassVar[type[Answer] | None] = None
    created: ClassVar[int] = 201
    #: The refusal of a row that the database's constraints do not let in.
    duplicate: ClassVar[type[VerifyError]] = NotFound
    #: Whether the keys are in the order of their rows' age, so that a list needs no other.
    timed_keys: ClassVar[bool] = False
    # Not for the host's own OpenAPI document; ours is made in `api.schema`.
    schema = None

    authentication_classes = (BasicAuthentication,)
    parser_classes: Sequence[type[BaseParser]] = (bodies.FormParser, bodies.JSONParser)

    caller: Caller
    _reading: wire.Parameters | None = None

    @classmethod
    def urls(cls) -> list[URLPattern]:
        """Return the patterns of the verbs that are mixed in."""
        patterns = []
        many = {"get": "list", "post": "create"}
        one = {"get": "retrieve", "post": "update", "delete": "destroy"}
        for verbs, route in ((many, cls.path), (one, f"{cls.path}/<str:{cls.lookup}>")):
            actions = {method: verb for method, verb in verbs.items() if hasattr(cls, verb)}
            if actions:
                patterns.append(path(route, cls.as_view(actions)))
        return patterns

    @classmethod
    def asked(cls, action: str) -> type[wire.Parameters] | None:
        """Return the parameters that an action reads, from the body or, for a list, the query."""
        if action == "update":
            return cls.update_parameters or cls.parameters
        return {"create": getattr(cls, "parameters", None), "list": cls.filters}.get(action)

    @classmethod
    def answered(cls, action: str) -> type[Answer]:
        """Return the shape of the object that an action answers, or lists."""
        return (cls.created_answer if action == "create" else None) or cls.answer

    @classmethod
    def status(cls, action: str) -> int:
        """Return the HTTP status of an action that succeeds."""
        return {"create": cls.created, "destroy": 204}.get(action, 200)

    @property
    def account(self) -> Account:
        """The caller's account."""
        return self.caller.account

    @property
    def device(self) -> Factor | None:
        """The caller, where it is a device and not the account itself."""
        return self.caller.device

    @property
    def access_token(self) -> AccessToken | None:
        """The caller's leave to create a factor, where that is all it has."""
        return self.caller.access_token

    @property
    def http(self) -> HttpRequest:
        """Django's request, under REST framework's or alone."""
        return getattr(self.request, "_request", self.request)

    def parent(self) -> Any:
        """Return what a new object belongs to. Raises NotFound."""
        return self.account

    def admits_device(self, device: Factor) -> bool:
        """Whether a device may do this at all; by default no resource is open to it."""
        return False

    def admits_access_token(self) -> bool:
        """Whether an access token may be used here; its holder is nobody elsewhere."""
        return False

    def get_queryset(self) -> QuerySet[Any]:
        """Return the caller's objects, newest first."""
        return self.model._default_manager.filter(account_id=self.account.sid)  # noqa: SLF001

    def get_object(self) -> Any:
        """Return the object that the path names. Raises NotFound, for others' objects too."""
        sid = self.kwargs[self.lookup]
        if not sids.is_sid(self.prefix, sid):
            raise NotFound
        return only(self.get_queryset().filter(pk=sids.canonical(sid)))

    def represent(self, obj: Any) -> dict[str, Any]:
        """Return the object as the contract shows it."""
        return self.answered(self.action).represent(obj, self)

    def read(self, parameters: type[wire.Parameters], *, partial: bool = False) -> dict[str, Any]:
        """Return the body's parameters; one that stands in the query string as well is refused."""
        self._reading = reader = wire.reader(parameters, partial=partial)
        values = self.body()
        for name in bodies.query_values(self.http):
            # A filter in front of the site and this API could each heed another of the two values.
            if name in values:
                raise InvalidParameter(name, "it must be sent once")
        return reader.read(values)

    def body(self) -> Values:
        """Return the body's parameters."""
        return bodies.body_values(self.request.data)

    def validate(self, obj: Any, values: Mapping[str, Any]) -> None:
        """Raise what is wrong with an object whose `values` are to be written."""

    def as_ours(self, error: VerifyError) -> VerifyError:
        """Return the error in this resource's own class."""
        return error

    @cached_property
    def root(self) -> str:
        """The URL of the API's root, which ends with a slash."""
        path = self.request.path
        return self.base + path[: len(path) - len(self.own_path())]

    @cached_property
    def base(self) -> str:
        """The site's scheme and host. Raises DisallowedHost, also for what has no host's form."""
        request = self.request
        return conf.current().BASE_URL.rstrip("/") or f"{request.scheme}://{request.get_host()}"

    def link(self, path: str) -> str:
        """Return the absolute URL of a path below the API's root."""
        return self.root + path

    def absolute(self, url: str) -> str:
        """Return a URL as it is if it names a host, else as a path below the API's root."""
        return url if "://" in url else self.link(url)

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Note when the caller asked, before anything is looked up."""
        self.asked_at = timezone.now()
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, and refuse callers that have no business here."""
        super().initial(request, *args, **kwargs)
        self.admit(request.auth)  # type: ignore[arg-type]

    def admit(self, caller: Caller) -> None:
        """Refuse tokens that do not reach here, and a host that is not served.

        The host is looked at before anything is written, not when links are built.
        """
        self.caller = caller
        if self.device is not None and not self.admits_device(self.device):
            raise NotFound
        if self.access_token is not None and not self.admits_access_token():
            raise exceptions.AuthenticationRequired
        self.base  # noqa: B018 - raises

    def refuse(self, error: VerifyError, cause: Exception) -> Response:
        """Return the error in this resource's own class."""
        if isinstance(error, NotFound):
            error = NotFound(f"The requested resource /{self.own_path()} was not found")
        return wire.error_response(self.as_ours(error), self._reading)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the headers of every answer."""
        return self.finish(super().finalize_response(request, response, *args, **kwargs))

    def finish(self, response: Any) -> Any:
        """Add the headers of every answer of this wire."""
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # Django would log the path of a refusal, and the path may hold a phone number.
        response._has_been_logged = True  # noqa: SLF001
        return response

    @classmethod
    def path_of(cls, values: Mapping[str, Any]) -> str:
        """Return the path of one object, from its members that the path names."""
        return _template(f"{cls.path}/<str:{cls.lookup}>") % values

    def own_path(self) -> str:
        """Return the path of this request below the API's root, without a leading slash."""
        if self.lookup in self.kwargs:
            return self.path_of(self.kwargs)
        return _template(self.path) % self.kwargs


class NoResource(Resource):
    """Any other path: 404 in the wire's shape, and never a redirect to a trailing slash."""

    path = "<str:rest>"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find nothing, once the caller is known."""
        super().initial(request, *args, **kwargs)
        raise NotFound

    def refuse(self, error: VerifyError, cause: Exception) -> Response:
        """Say where a `v2` is too many, which is how a client or a site was set up."""
        if isinstance(error, NotFound) and (hint := _hint(self.request.path, self.kwargs["rest"])):
            text = f"The requested resource /{self.own_path()} was not found: {hint}"
            return wire.error_response(NotFound(text), self._reading)
        return super().refuse(error, cause)

    def list(self, request: Request, **kwargs: str) -> Response:
        """Never reached."""
        raise NotFound


def _hint(path: str, rest: str) -> str:
    """Return what a path says about how a client was set up, where a `v2` is too many."""
    if not rest.startswith("v2/"):
        return ""
    root = path.removesuffix(rest)
    if root.endswith("/v2/"):
        return "an SDK adds /v2 by itself, so its base URL must not end in /v2"
    return "include django_verify.api.urls under a path that ends in v2/"


class ServiceResource(Resource):
    """Base of what belongs to a service; one of another account is absent like any other."""

    below = "service"

    @property
    def service(self) -> VerifyService:
        """The service that the path names, unloaded: for verbs that need its identity only."""
        sid = self.kwargs["service_sid"]
        if not sids.is_sid("VA", sid):
            raise NotFound
        return VerifyService.pointer(sid, self.account)

    def loaded_service(self) -> VerifyService:
        """Return the service that the path names. Raises NotFound."""
        sid = self.kwargs["service_sid"]
        found = (
            queries.service(sids.canonical(sid), self.account.sid)
            if sids.is_sid("VA", sid)
            else None
        )
        if found is None:
            raise NotFound
        return found

    def parent(self) -> Any:
        """Return the service."""
        return self.loaded_service()

    def get_queryset(self) -> QuerySet[Any]:
        """Return the service's objects. Raises NotFound when there is no such service."""
        return self.model._default_manager.filter(service_id=self.loaded_service().sid)  # noqa: SLF001


@cache
def _template(route: str) -> str:
    """Return a route's path, to be filled in by the names in it."""
    return re.sub(r"<str:(\w+)>", r"%(\1)s", route)
