"""The caller's IP behind our proxies, and the network that its requests are counted by.

Limits are kept by these. Nothing here opens a connection; what may be reached is in `url_policy`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from django_verify import conf

#: What one home or one phone has: a caller changes the rest of an IPv6 address at will.
IPV4_LENGTH, IPV6_LENGTH = 32, 64
#: What one attacker rents, mostly.
WIDE_IPV4_LENGTH = 24
# An IP with its port; one of IPv6 is in brackets then.
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\](?::[0-9]{1,5})?\Z")
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}\Z")
# The longest IP, a port and the name of a zone included.
_LONGEST = 100

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def from_meta(meta: Mapping[str, Any]) -> str:
    """Return the caller's IP from a request's META, as `read` does."""
    return read(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""))


def read(remote_addr: str, forwarded_for: str) -> str:
    """Return the caller's IP in its one spelling; empty where there is none.

    With n trusted proxies it is the n-th from the right of X-Forwarded-For, the one that the
    outermost of them saw. A header that is too short or holds something else there cannot choose
    an IP: all who send one share that of the connection.
    """
    remote = _read(remote_addr)
    trusted = conf.current().TRUSTED_PROXIES
    if trusted:
        hops = forwarded_for.rsplit(",", trusted)[-trusted:]
        if len(hops) == trusted and (seen := _read(hops[0])):
            return str(seen)
    return str(remote) if remote else ""


def network_of(ip: str) -> str:
    """Return the network that an IP is counted by: /32 of IPv4, /64 of IPv6.

    Empty for what is no IP, so that all of it is counted together.
    """
    found = _read(ip)
    if found is None:
        return ""
    length = IPV4_LENGTH if found.version == 4 else IPV6_LENGTH
    return str(ipaddress.ip_network((found, length), strict=False))


def wide_network_of(ip_or_network: str) -> str:
    """Return the network that fraud is seen by: /24 of IPv4, /64 of IPv6; empty for neither."""
    found = _read(ip_or_network.partition("/")[0])
    if found is None:
        return ""
    length = WIDE_IPV4_LENGTH if found.version == 4 else IPV6_LENGTH
    return str(ipaddress.ip_network((found, length), strict=False))


def _read(text: str) -> _IP | None:
    """Return an IP without port and zone; IPv4 inside IPv6 as IPv4."""
    text = text.strip(" \t")
    if not text or len(text) > _LONGEST:
        return None
    if found := _BRACKETED.match(text) or _WITH_PORT.match(text):
        text = found[1]
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families reports a caller as ::ffff:192.0.2.1, who must not have a second
    # allowance under that name.
    return getattr(ip, "ipv4_mapped", None) or ip
