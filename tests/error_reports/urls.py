"""The URLs of the site, with a view of its own, and what makes every verb fail."""

from contextlib import ExitStack
from unittest import mock

from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

BELOW = (
    *("verifications.start", "verifications.check", "verifications.fetch", "db.queries.service"),
    *(f"verifications.clients.{verb}" for verb in ("start", "check", "resend", "fetch")),
    "verifications.offers.offered",
)


@csrf_exempt
def own(request):
    """As a site's view might be written."""
    code, recipient = request.POST["code"], request.POST["to"]
    details = {"client_secret": request.headers["Verify-Proof-Token"], "tries": [{"code": code}]}
    raise RuntimeError(len(recipient) + len(details))


class Fails:
    """Middleware under which every verb fails."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        def fail(*args, **kwargs):
            raise RuntimeError(f"no luck with {1415_555 * 10_000 + 2671}")

        with ExitStack() as stack:
            for name in BELOW:
                stack.enter_context(mock.patch(f"django_verify.{name}", fail))
            return self.get_response(request)


urlpatterns = [path("own/", own), path("", include("example_project.urls"))]
