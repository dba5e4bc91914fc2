"""The gateway by which django-two-factor-auth's text messages and calls leave through a service."""
