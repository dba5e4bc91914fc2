"""Other packages' hooks: allauth, django-otp, two-factor-auth, OpenTelemetry, Prometheus.

Each module is optional and imports its package by itself; none is imported by another room, but
for the view of Prometheus, which needs no package. What they share is in `sending`.
"""
