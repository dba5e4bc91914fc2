"""The network: one outbound HTTP call, the URLs it may call, a caller's IP address, HTTP's times.

What is asked of a provider is in `senders`, `push_senders` and `gates`.
"""
