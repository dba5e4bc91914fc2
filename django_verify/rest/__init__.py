"""What `api` and `mobile` share of REST framework: bodies, negotiation, rendering.

Nothing here knows a resource.
"""
