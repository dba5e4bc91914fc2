"""The network: one outbound HTTP call, the URLs it may call, a caller's IP address, HTTP's times.

What is asked of a provider is in `senders`, `push_senders` and `gates`.
"""

from typing import TYPE_CHECKING

from django_verify import lazy

if TYPE_CHECKING:
    from django_verify.net import transport
else:
    transport = lazy.module("django_verify.net.transport")

__all__ = ["transport"]
