"""The API that is read: GET requests, its pages, and what its refusals mean.

Only reads are made, so each may be made again: after a 429, a 5xx and a lost connection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django_verify.net import client
from django_verify.net.answers import Answer
from django_verify.net.times import read_retry_after

TWILIO = "https://verify.twilio.com"
PAGE_SIZE = 50
#: Of one list; a source that goes on naming further ones is broken.
MAX_PAGES = 1000
#: A page of templates may have fifty of them in forty languages each.
MAX_BYTES = 8 * 1024 * 1024
#: Seconds before each further try, where the answer names none, and the most that it may name.
WAITS = (1, 2, 4, 8)
LONGEST_WAIT = 120

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_REFUSALS = {
    401: "the credentials are wrong, or of another region or account",
    403: "these credentials may not read it",
    404: "there is no such thing in this account",
    429: "too many requests, also after waiting; try again later",
}
# Not shown: it may hold a password.
_NO_URL = f"the base URL is none such as {TWILIO}"

pause = time.sleep


class SourceError(Exception):
    """The source cannot be read; the text says why and holds no secret."""


class NotShown(SourceError):
    """The source answered 403 or 404: the rest of it may well be readable."""


class NotThere(NotShown):
    """The source answered 404."""


_KINDS = {403: NotShown, 404: NotThere}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password of HTTP Basic: an account or an API key (`AC…` or `SK…`)."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A Verify API, by the URL that stands in front of its `/v2`. Raises SourceError."""

    base_url: str
    credentials: Credentials

    def __post_init__(self) -> None:
        """Bring the URL into the form that is used, and refuse to send a password in clear."""
        url = self.base_url.rstrip("/").removesuffix("/v2")
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname or "", parts.port
        except ValueError:
            raise SourceError(_NO_URL) from None
        if parts.scheme not in {"http", "https"} or not host or parts.query or "@" in parts.netloc:
            raise SourceError(_NO_URL)
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise SourceError("credentials are sent over https alone, but for this machine")
        object.__setattr__(self, "base_url", url)

    def fetch(self, *path: str, **query: str) -> dict[str, Any]:
        """Return one object, by the segments of its path. Raises SourceError, NotShown."""
        # A number of the safe list stands in no error.
        named = path[:2] if path[0] == "SafeList" else path
        return self._get(self._url(path, query), "/".join(named))

    def every(self, key: str, *path: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, page by page. Raises SourceError, NotShown."""
        name, seen = "/".join(path), set[str]()
        url = self._url(path, {"PageSize": str(PAGE_SIZE)})
        while url not in seen:
            seen.add(url)
            answer = self._get(url, name)
            rows, meta = answer.get(key), answer.get("meta")
            if not isinstance(rows, list) or not isinstance(meta, dict):
                raise SourceError(f"{name}: the answer is no list of {key}")
            if not all(isinstance(row, dict) for row in rows):
                raise SourceError(f"{name}: one of the {key} is no object")
            yield from rows
            following = meta.get("next_page_url")
            if not following:
                return
            if len(seen) == MAX_PAGES:
                raise SourceError(f"{name}: there are more than {MAX_PAGES} pages")
            url = self._own(str(following))
        raise SourceError(f"{name}: the next page is one that was there before")

    def _url(self, path: tuple[str, ...], query: dict[str, str]) -> str:
        joined = "/".join(quote(part, safe="") for part in path)
        return f"{self.base_url}/v2/{joined}" + (f"?{urlencode(query)}" if query else "")

    def _own(self, url: str) -> str:
        """Return the URL of a page on this host: credentials go to no host that an answer names."""
        _before, mark, rest = url.partition("/v2/")
        if not mark:
            raise SourceError("the URL of the next page leads out of /v2")
        return f"{self.base_url}/v2/{rest}"

    def _get(self, url: str, name: str) -> dict[str, Any]:
        """Return the object that is answered in the end."""
        reason = "no answer"
        for wait in (*WAITS, 0):  # after the last try there is nothing to wait for
            header = None
            try:
                answer = self._call(url)
            except client.TransportError as error:
                reason = str(error)
            else:
                if answer.status == 200:
                    return _object(answer, name)
                reason, header = _reason(answer), answer.headers.get("retry-after")
                if answer.status != 429 and answer.status < 500:
                    raise _KINDS.get(answer.status, SourceError)(f"{name}: {reason}")
            if wait:
                asked = read_retry_after(header, LONGEST_WAIT)
                pause(wait if asked is None else asked)
        raise SourceError(f"{name}: {reason}")

    def _call(self, url: str) -> Answer:
        return client.call(
            "GET",
            url,
            headers={"Accept": "application/json"},
            auth=(self.credentials.name, self.credentials.secret),
            read=15.0,
            total=30.0,
            max_bytes=MAX_BYTES,
        )


def _object(answer: Answer, name: str) -> dict[str, Any]:
    found = answer.object()
    if not found and len(answer.body) == MAX_BYTES:
        raise SourceError(f"{name}: the answer is larger than {MAX_BYTES} bytes")
    if not found:
        raise SourceError(f"{name}: the answer is no JSON object; is this the URL of a Verify API?")
    return found


def _reason(answer: Answer) -> str:
    """Return a refusal in words, with the API's own number; its text may name a number."""
    code = answer.object().get("code")
    known = _REFUSALS.get(answer.status, "the API failed" if answer.status >= 500 else "refused")
    number = f", error {code}" if isinstance(code, int) else ""
    return f"HTTP {answer.status}{number}: {known}"
