"""Events for the site's other systems: recorded with a change, signed, posted to webhooks.

Django's own signals are in `signals`; what providers report back is in `delivery`.
"""
