"""Django's own report of an error, as it would be mailed."""

from django.test import RequestFactory
from django.views.debug import ExceptionReporter


def assert_nothing_shown(error, *secrets):
    """Look for what was planted in the variables of every frame, of other packages as well."""
    request = RequestFactory().post("/")
    request.sensitive_post_parameters = "__ALL__"
    frames = ExceptionReporter(request, type(error), error, error.__traceback__)
    # The first is the test's own.
    shown = {f"{f['filename']}:{f['lineno']}": f["vars"] for f in frames.get_traceback_frames()}
    for place, found in shown.items():
        for secret in secrets:
            assert "/tests/" in place or secret not in repr(found), (place, secret)
