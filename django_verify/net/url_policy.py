"""Which URLs of strangers may be called, and how a host is named; no name is resolved here."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

PORTS = frozenset({80, 443, 8443})

# Printable ASCII without what parsers of URLs disagree about.
_URL = re.compile(r"[!#-;=?-\[\]_a-z~]+\Z")
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{1,63}\.?\Z")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+{_LABEL}\Z")
# What the two standards of internationalised names turn into different names (UTS 46, deviation
# characters): a browser would ask for another host than the one that is bound.
_TWO_READINGS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
# A last label that resolvers read as a number makes the whole name an IPv4 address.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
# Special-use names (RFC 6761, 6762, 7686, 9476, ICANN's "internal") and those that private networks
# have chosen for themselves (RFC 6762, appendix G).
_PRIVATE_NAMES = frozenset(
    {
        *("alt", "arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local"),
        *("localdomain", "localhost", "onion", "private", "test"),
    }
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What `is_global` of some Python lets pass: protocol assignments, relays, those that stand for
# an IPv4 address within them, documentation, and a cloud's own host behind a public number.
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
            *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
        ),
    )
)


class Refused(ValueError):
    """The URL may not be called; `reason` is `url`, `scheme`, `credentials` or `host`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def verify(url: str, *, plain: bool, allowed: Iterable[str] = ()) -> tuple[str, int]:
    """Return host and port of a URL that a stranger may have us call, or raise Refused.

    `plain` lets http pass, and so does a host that is `allowed`, on any port. A name may still
    resolve to an IP that is not public.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("url") from None
    if not host or not _URL.match(url):
        raise Refused("url")
    listed = is_allowed(host, allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and (plain or listed)):
        raise Refused("scheme")
    # Credentials would be kept in clear with the URL, and make a host look like another one.
    if "@" in parts.netloc:
        raise Refused("credentials")
    port = (443 if parts.scheme == "https" else 80) if port is None else port
    if listed:
        return host, port
    # The IPs of a name are not known before it is resolved; any public one stands for them.
    if not is_public(host if is_ip(host) else "8.8.8.8", port) or not _is_public_name(host):
        raise Refused("host")
    return host, port


def host_name(value: str) -> str:
    """Return a host's name as browsers compare it: ASCII, in lower case, of two labels or more.

    Raises ValueError for anything else: an IP, a scheme, a port, a path, a closing dot.
    """
    letters = all(char in ".-" or unicodedata.category(char)[0] in "LMN" for char in value)
    if not letters or _TWO_READINGS & set(value):
        raise ValueError("no name of a host")
    try:
        name = value.encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError("no name of a host") from None
    if not _PLAIN_NAME.match(name) or _NUMERIC.match(name.rpartition(".")[2]):
        raise ValueError("no name of a host")
    return name


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Return whether a host is in an operator's list of names, `.domains`, IPs and networks."""
    for entry in map(str.lower, allowed):
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            name = host.rstrip(".").lower()
            if name == entry or (entry.startswith(".") and name.endswith(entry)):
                return True
    return False


def is_public(text: str, port: int = 443) -> bool:
    """Return whether a call to a stranger may connect to this IP address and port."""
    ip = ipaddress.ip_address(text)
    # A zone names an interface of this machine, which no public IP has.
    if ip.version == 6 and (ip.scope_id or ip not in _GLOBAL_UNICAST):
        return False
    reserved = any(ip in network for network in _RESERVED)
    return ip.is_global and not ip.is_multicast and not reserved and port in PORTS


def _is_public_name(host: str) -> bool:
    if is_ip(host):
        return True
    last = host.rstrip(".").rpartition(".")[2]
    return bool(_HOST.match(host)) and last not in _PRIVATE_NAMES and not _NUMERIC.match(last)
