"""Whose network a request comes from: the caller's address behind our proxies, and its network.

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
# An address with its port; one of IPv6 is in brackets then.
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\](?::[0-9]{1,5})?\Z")
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}\Z")
# The longest address, a port and the name of a zone included.
_LONGEST = 100

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_in(meta: Mapping[str, Any]) -> str:
    """Return the caller's address from a request's META, as `client_address` reads it."""
    return client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""))


def client_address(remote_addr: str, forwarded_for: str) -> str:
    """Return the caller's address in its one spelling; empty where there is none.

    With n trusted proxies it is the n-th from the right of X-Forwarded-For, the one that the
    outermost of them saw. A header that is too short or holds something else there cannot choose an
    address: all who send one share that of the connection.
    """
    remote = _read(remote_addr)
    trusted = conf.current().TRUSTED_PROXIES
    if trusted:
        hops = forwarded_for.rsplit(",", trusted)[-trusted:]
        if len(hops) == trusted and (seen := _read(hops[0])):
            return str(seen)
    return str(remote) if remote else ""


def network_of(address: str) -> str:
    """Return the network that an address is counted with: /32 of IPv4, /64 of IPv6.

    Empty for what is no address, so that all of it is counted together.
    """
    read = _read(address)
    if read is None:
        return ""
    length = IPV4_LENGTH if read.version == 4 else IPV6_LENGTH
    return str(ipaddress.ip_network((read, length), strict=False))


def _read(text: str) -> _Address | None:
    """Return an address without port and zone; one of IPv4 inside IPv6 is taken out of it."""
    text = text.strip(" \t")
    if len(text) > _LONGEST:
        return None
    if found := _BRACKETED.match(text) or _WITH_PORT.match(text):
        text = found[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
