"""A device of django-otp whose challenge is a verification: an app of its own, with its table."""
