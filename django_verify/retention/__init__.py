"""How long rows are kept: the table of kinds, and the purge that deletes what is old.

What has run out is marked elsewhere (`verifications.expire`): a purge changes no state that a
caller can still meet.
"""

from django_verify.retention.budgets import hold, may_be_purged
from django_verify.retention.kinds import KINDS, Kind
from django_verify.retention.purging import Outcome, purge

__all__ = ["KINDS", "Kind", "Outcome", "hold", "may_be_purged", "purge"]
