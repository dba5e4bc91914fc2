"""The network: one outbound HTTP call, the URLs it may call, and a caller's IP address.

What is asked of a provider is in `senders`, `push_senders` and `gates`.
"""
