"""The dashboard: what converts, what it costs, how long people wait, and what is wrong now.

The lists behind its numbers are in the modules above, with the filters of `figures`.
"""

from django_verify.admin.dashboard.page import DashboardAdmin

__all__ = ["DashboardAdmin"]
