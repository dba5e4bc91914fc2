"""What `api` and `mobile` share of REST framework: policies, bodies, answers, errors.

Nothing here knows a resource.
"""
