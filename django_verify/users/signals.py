"""The signals of the app; sent after the commit, with `send_robust`."""

from django.dispatch import Signal

#: A user has a verified number, new or verified once more: `phone`.
phone_verified = Signal()

#: A number is no longer a user's: `user, number, reason`, one of removed, replaced, transferred
#: and erased.
phone_released = Signal()

#: A number went from one user to another, who should be notified: `phone, from_user`.
phone_transferred = Signal()
