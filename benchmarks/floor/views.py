"""The floor's two views: one INSERT on start, one UPDATE on check, their SQL written once."""

from __future__ import annotations

import time
import uuid

from django.db import connection
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.floor.codes import derive_code, hash_code

MAX_ATTEMPTS = 5
INSERT = (
    "INSERT INTO floor_verification (id, recipient, code_hash, status, attempts, created_at)"
    " VALUES (%s, %s, %s, 'pending', 0, %s)"
)
UPDATE = (
    "UPDATE floor_verification SET attempts = attempts + 1,"
    " status = CASE WHEN code_hash = %s THEN 'approved' ELSE 'pending' END"
    f" WHERE id = %s AND status = 'pending' AND attempts < {MAX_ATTEMPTS}"
)
SELECT = "SELECT status FROM floor_verification WHERE id = %s"


class StartSerializer(serializers.Serializer):
    """The body of a start."""

    to = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z")


class CheckSerializer(serializers.Serializer):
    """The body of a check."""

    id = serializers.RegexField(r"^[0-9a-f]{32}\Z")
    code = serializers.RegexField(r"^[0-9]{6}\Z")


class StartView(APIView):
    """POST: make a row; a real one would now send the code."""

    def post(self, request: Request) -> Response:
        """Answer the new verification."""
        serializer = StartSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        pk, to, now = uuid.uuid4().hex, serializer.validated_data["to"], int(time.time())
        with connection.cursor() as cursor:
            cursor.execute(INSERT, (pk, to, hash_code(pk, derive_code(pk)), now))
        return Response({"id": pk, "to": to, "status": "pending", "created_at": now}, status=201)


class CheckView(APIView):
    """POST: approve a row if the code is right."""

    def post(self, request: Request) -> Response:
        """Answer `approved`, or `pending` for a wrong code."""
        serializer = CheckSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        pk, code = serializer.validated_data["id"], serializer.validated_data["code"]
        status = _approve(pk, hash_code(pk, code))
        if status is None:
            return Response({"detail": "Not found."}, status=404)
        return Response({"id": pk, "status": status})


def _approve(pk: str, code_hash: str) -> str | None:
    """Return what a row has become, or nothing where it may not be tried any more."""
    with connection.cursor() as cursor:
        # MySQL and MariaDB return nothing from an UPDATE.
        if connection.vendor == "mysql":
            if not cursor.execute(UPDATE, (code_hash, pk)):
                return None
            cursor.execute(SELECT, (pk,))
        else:
            cursor.execute(f"{UPDATE} RETURNING status", (code_hash, pk))
        row = cursor.fetchone()
        return row and row[0]
