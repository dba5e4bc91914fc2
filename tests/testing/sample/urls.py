"""The URLs and the views of the sample site."""

from django.contrib.auth import get_user_model, login
from django.db import transaction
from django.http import HttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.response import Response

from django_verify import verifications
from django_verify.exceptions import VerifyError
from django_verify.mobile.fields import VerifiedPhoneField
from django_verify.models import VerifyService


def ask(request):
    """Send a code."""
    try:
        verifications.start(VerifyService.objects.get(), request.POST["phone"])
    except VerifyError as refused:
        return HttpResponse(refused.message, status=400)
    request.session["phone"] = request.POST["phone"]
    return HttpResponse("sent")


@transaction.non_atomic_requests
def enter(request):
    """Make a user of the person who has the code."""
    phone = request.session["phone"]
    try:
        found = verifications.check(VerifyService.objects.get(), request.POST["code"], to=phone)
    except VerifyError as refused:
        return HttpResponse(refused.message, status=400)
    if not found.valid:
        return HttpResponse("wrong", status=400)
    login(request, get_user_model().objects.create(username=found.to))
    return HttpResponse("welcome")


class SignUp(serializers.Serializer):
    """What an app brings."""

    proof = VerifiedPhoneField(purpose="sign-up")


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def app_sign_up(request):
    """Make a user of an app with a proof."""
    brought = SignUp(data=request.data)
    brought.is_valid(raise_exception=True)
    phone = str(brought.validated_data["proof"])
    get_user_model().objects.create(username=phone)
    return Response({"phone": phone})


urlpatterns = [
    path("sign-up/", ask),
    path("sign-up/code/", enter),
    path("app/sign-up/", app_sign_up),
    path("mobile/", include("django_verify.mobile.urls")),
    path("v2/", include("django_verify.api.urls")),
]
