"""The signals that a host may listen to, with their senders; receivers live in the host.

All but `verification_starting` are sent after commit, once for each event, with `send_robust`: an
exception in a receiver is logged by Django and undoes nothing. A process that dies right after the
commit sends none.
"""

from django.dispatch import Signal

#: Before anything is written or sent: `service, to, channel`. A receiver refuses the start by
#: raising a `VerifyError`, or Django's `PermissionDenied`.
verification_starting = Signal()

#: A new verification exists: `verification`. A resend is no new verification.
verification_started = Signal()

#: The right code was checked, or the site approved it: `verification`.
verification_approved = Signal()


class NotRecorded(Exception):
    """Returned by a receiver that did not keep a proved recipient; `reason` is for machines."""

    reason = "refused"


#: A client without credentials has proved its recipient: `client` (a `ClientVerification`),
#: `verification`, `user` (who is logged in, or None). A receiver that keeps the recipient for the
#: user refuses by raising a `NotRecorded`: the approval stands, and the client hears the reason.
client_approved = Signal()

#: The site ended it: `verification`.
verification_canceled = Signal()

#: The last allowed check was wrong: `verification`.
verification_failed = Signal()

#: A sender accepted the message: `attempt`.
attempt_sent = Signal()

#: No sender accepted the message; `attempt.error_message` has the reason: `attempt`.
attempt_failed = Signal()

#: The site has disabled a webhook or an event sink: `receiver`, and `reason`, which is `gone` (it
#: answered 410) or `failing` (nothing was accepted for five days). For a notice to its owner.
webhook_disabled = Signal()

#: A factor exists, and is not verified yet: `factor`.
factor_created = Signal()

#: A factor has proved itself, and may be challenged: `factor`.
factor_verified = Signal()

#: A factor was deleted, by itself or with its entity: `factor`.
factor_deleted = Signal()

#: The owner of the factor has proved it, or approved what was asked: `challenge`.
challenge_approved = Signal()

#: The owner of the factor has refused what was asked: `challenge`.
challenge_denied = Signal()

#: The provider reported that the message arrived, or was read: `attempt`.
attempt_delivered = Signal()

#: The provider reported that the message did not arrive: `attempt`. The next sender may get it.
attempt_undelivered = Signal()

#: The guard, or an operator's rule, has refused a start or sent nothing for it; also where it only
#: records: `decision` (a `GuardDecision`).
start_blocked = Signal()

#: The guard has closed a number block, a country, a network or a device: `trip` (a `GuardTrip`).
guard_tripped = Signal()

#: A spend cap has reached 50, 80 or 100 percent, once in each period: `cap`, `percent`, `period`.
spend_warning = Signal()
