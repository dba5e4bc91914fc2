"""The floor's two views: one SELECT for the key, one INSERT on start, one UPDATE on check."""

from __future__ import annotations

import uuid

from django.db.models import F
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.floor.codes import derive_code, hash_code
from benchmarks.floor.models import Verification

MAX_ATTEMPTS = 5


class StartSerializer(serializers.Serializer):
    """The body of a start."""

    to = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z")


class CheckSerializer(serializers.Serializer):
    """The body of a check."""

    id = serializers.UUIDField()
    code = serializers.RegexField(r"^[0-9]{6}\Z")


class StartView(APIView):
    """POST: make a row; a real one would now send the code."""

    def post(self, request: Request) -> Response:
        """Answer the new verification."""
        serializer = StartSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        pk = uuid.uuid4()
        row = Verification.objects.create(
            id=pk, to=serializer.validated_data["to"], code_hash=hash_code(pk, derive_code(pk))
        )
        answer = {"id": row.id, "to": row.to, "status": row.status, "created_at": row.created_at}
        return Response(answer, status=201)


class CheckView(APIView):
    """POST: approve a row if the code is right."""

    def post(self, request: Request) -> Response:
        """Answer `approved`, or `pending` for a wrong code."""
        serializer = CheckSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        pk, code = serializer.validated_data["id"], serializer.validated_data["code"]
        open_ = Verification.objects.filter(pk=pk, status="pending", attempts__lt=MAX_ATTEMPTS)
        right = open_.filter(code_hash=hash_code(pk, code))
        if right.update(status="approved", attempts=F("attempts") + 1):
            return Response({"id": pk, "status": "approved"})
        if not open_.update(attempts=F("attempts") + 1):
            return Response({"detail": "Not found."}, status=404)
        return Response({"id": pk, "status": "pending"})
