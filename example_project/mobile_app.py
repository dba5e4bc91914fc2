"""A page that stands for a mobile app, and the sign-up endpoint that takes what it brings.

The page's script calls the endpoints for apps and nothing else: no form, no session, no cookie of
this site. The sign-up is the site's own endpoint; the number comes from the proof alone.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_verify.mobile.fields import VerifiedPhoneField
from django_verify.users import verified_phones
from example_project import visitor

PURPOSE = "sign-up"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the app; its service is made with the first visit of a fresh site."""
    visitor.service()
    return render(request, "mobile_app.html", {"purpose": PURPOSE})


class SignUpForm(serializers.Serializer[Any]):
    """A name, and the proof of a number."""

    username = serializers.CharField(
        max_length=32, validators=[RegexValidator(r"^[a-z0-9-]+\Z", "Use a–z, 0–9 and hyphens.")]
    )
    proof = VerifiedPhoneField(purpose=PURPOSE)

    def validate_username(self, value: str) -> str:
        """Refuse a name that is in use, while the proof is still unused."""
        if get_user_model().objects.filter(username=value).exists():
            raise serializers.ValidationError("This name is in use.", "in_use")
        return value


class SignUp(APIView):
    """Makes a user of anyone with a proof; the proof is given back where that fails."""

    authentication_classes: tuple[type[BaseAuthentication], ...] = ()
    permission_classes = ()
    # By default REST framework has pages for browsers, whose templates come with its app.
    renderer_classes = (JSONRenderer,)
    schema: Any = None

    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Answer 201 with the name and the number, or 400 with what is wrong."""
        form = SignUpForm(data=request.data)
        form.is_valid(raise_exception=True)
        number = form.validated_data["proof"].as_e164
        user = get_user_model().objects.create_user(form.validated_data["username"])
        try:
            verified_phones.confirm(user, number)
        except verified_phones.ClaimRefused as refused:
            text = "This number belongs to another user."
            raise serializers.ValidationError({"proof": text}, refused.reason) from None
        return Response({"username": user.get_username(), "number": number}, status=201)
