"""The lawful floor's two views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import phonenumbers
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from benchmarks.lawful import authentication, store


class StartSerializer(serializers.Serializer):
    """The body of a start."""

    to = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z")

    def validate_to(self, to: str) -> str:
        """Return a number that some plan has, as E.164 writes it."""
        try:
            number = phonenumbers.parse(to)
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_valid_number(number):
            raise serializers.ValidationError("Not a number.")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class CheckSerializer(StartSerializer):
    """The body of a check."""

    code = serializers.RegexField(r"^[0-9]{6}\Z")


class StartView(APIView):
    """POST: begin a verification, or send its code again."""

    def post(self, request: Request) -> Response:
        """Answer the verification."""
        to = _valid(StartSerializer, request)["to"]
        pk, now = store.start(request.user, to)
        return Response({"id": pk, "to": to, "status": "pending", "updated_at": now}, status=201)


class CheckView(APIView):
    """POST: approve the live verification of a number if the code is right."""

    def post(self, request: Request) -> Response:
        """Answer `approved`, or `pending` for a wrong code."""
        pk, status = store.check(request.user, **_valid(CheckSerializer, request))
        return Response({"id": pk, "status": status})


def _valid(form: type[serializers.Serializer], request: Request) -> dict[str, str]:
    serializer = form(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def answer_refusal(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer what the store refuses; a key that has changed is read again at the next request."""
    if isinstance(error, store.Refused):
        return Response({"detail": "Refused."}, status=error.args[0])
    if isinstance(error, store.KeyChanged):
        authentication.forget()
        error = AuthenticationFailed()
    return exception_handler(error, context)
