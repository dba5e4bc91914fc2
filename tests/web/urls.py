"""A site with the flow twice: once with views of its own, once in a namespace."""

from django.http import HttpResponse
from django.urls import include, path
from django.views import View

from django_verify.exceptions import MaxSendsReached
from django_verify.web import views
from django_verify.web.access import VerifiedRecipientRequiredMixin, verified_recipient_required


class SignUp(views.StartView):
    purpose = "sign-up"

    def get_service(self):
        service = super().get_service()
        service.client_purposes = "sign-up login"
        return service


class Check(views.CheckView):
    def verified(self, state):
        return HttpResponse(f"welcome {state.to}")


signup = [
    path("", SignUp.as_view(), name="start"),
    path("code/", Check.as_view(), name="check"),
    path("resend/", views.ResendView.as_view(), name="resend"),
    path("done/", views.DoneView.as_view(), name="done"),
]
shop = [
    path("", views.StartView.as_view(), name="start"),
    path("code/", views.CheckView.as_view(success_url="/members/"), name="check"),
    path("resend/", views.ResendView.as_view(), name="resend"),
    path("done/", views.DoneView.as_view(), name="done"),
]


@verified_recipient_required
def plain(request):
    return HttpResponse("in")


class ClassBased(VerifiedRecipientRequiredMixin, View):
    def get(self, request):
        return HttpResponse("in " + self.verified_recipient.to)


class ForSignUp(VerifiedRecipientRequiredMixin, View):
    verified_purpose = "sign-up"
    verify_url = "signup:start"

    def get(self, request):
        return HttpResponse("in")


def refuses(request):
    raise MaxSendsReached(retry_after=60)


urlpatterns = [
    path("refuses/", refuses),
    path("signup/", include((signup, "verify_web"), namespace="signup")),
    path("shop/", include((shop, "shop"))),
    path("", include("example_project.urls")),
    path("plain/", plain),
    path("test/plain/", verified_recipient_required(plain.__wrapped__, allow_test=True)),
    path("test/class/", ClassBased.as_view(allow_test=True)),
    path("class/", ClassBased.as_view()),
    path("purpose/", ForSignUp.as_view()),
]
