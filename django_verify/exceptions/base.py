"""The base class of the errors, and those that any resource may answer."""

from __future__ import annotations


class VerifyError(Exception):
    """Base of the family: `code` is the wire's number, `status` the HTTP status.

    `retry_after` is in seconds; every face sends it as the `Retry-After` header.
    """

    code = 20500
    status = 500
    message = "Internal server error"

    def __init__(self, message: str = "", *, retry_after: int | None = None) -> None:
        self.message = message or self.message
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that every face sends with it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class AuthenticationRequired(VerifyError):
    """The credentials are missing or wrong; the answer does not reveal which."""

    code = 20003
    status = 401
    message = "Authenticate"


class MethodNotSupported(VerifyError):
    """The resource exists and does not answer this HTTP method."""

    code = 20004
    status = 405
    message = "Method not allowed"


class PageTooLarge(VerifyError):
    """`PageSize` is above 1000."""

    code = 20007
    status = 400
    message = "Page size is too large, the maximum is 1000"


class Forbidden(VerifyError):
    """The host's policy refuses this request."""

    code = 20403
    status = 403
    message = "Forbidden"


class NotFound(VerifyError):
    """The object does not exist, is over, or belongs to another account."""

    code = 20404
    status = 404
    message = "The requested resource was not found"


class Conflict(VerifyError):
    """The object is in use and changes under this request; another try may do."""

    code = 20409
    status = 409
    message = "The resource is in use"


class MalformedRequest(VerifyError):
    """The body cannot be read as form or JSON parameters."""

    code = 20422
    status = 400
    message = "Malformed request body"


class LengthRequired(MalformedRequest):
    """The body came in chunks, and the server does not mark where it ends."""

    status = 411
    message = "Send the length of the body in the header Content-Length"


class BodyTooLarge(MalformedRequest):
    """The body is larger than any request of this API."""

    status = 413
    message = "Request body too large"


class UnsupportedBody(MalformedRequest):
    """The content type is neither a URL-encoded form nor JSON."""

    status = 415
    message = "Unsupported content type: send application/x-www-form-urlencoded or application/json"


class TooManyRequests(VerifyError):
    """A limit on requests was reached; `limit` is the unique name of a rate limit, if it was one.

    The API sends it as the `Twilio-Reached-Rate-Limit` header.
    """

    code = 20429
    status = 429
    message = "Too many requests"

    def __init__(
        self, message: str = "", *, retry_after: int | None = None, limit: str = ""
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limit = limit


class ServiceUnavailable(VerifyError):
    """The database, or the store of the rate limits, cannot be reached: try again later."""

    code = 20503
    status = 503
    message = "Service unavailable"


class InvalidParameter(VerifyError):
    """One parameter is malformed; `parameter` is its Python name, the API shows the wire's."""

    code = 60200
    status = 400

    def __init__(self, parameter: str, reason: str) -> None:
        self.parameter = parameter
        self.reason = reason
        super().__init__(f"Invalid parameter `{parameter}`: {reason}")

    def __reduce__(self) -> tuple[type[InvalidParameter], tuple[str, str], dict[str, object]]:
        """Let it cross processes, as the rest of the family does."""
        return type(self), (self.parameter, self.reason), self.__dict__
