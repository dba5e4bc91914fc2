"""Serializer fields that take a proof and give the verified recipient.

The proof is read with the field, and used up as the last step of its serializer's validation,
after `validate`: another field that is wrong costs nobody a code, and none is left unused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import router
from django.views.decorators.debug import sensitive_variables
from phonenumber_field.phonenumber import PhoneNumber
from rest_framework import serializers
from rest_framework.fields import empty

from django_verify import proofs
from django_verify.contact import emails, phones
from django_verify.db import savepoints
from django_verify.mobile.wire import database_failures, hide_parameters
from django_verify.models import SpentToken
from django_verify.proofs import Proof, ProofRefused


class _LastStep:
    """The `validate` of a serializer, after which its proofs are used up: all of them, or none."""

    def __init__(self, validate: Callable[[Any], Any]) -> None:
        self._validate = validate
        self.fields: list[VerifiedField] = []

    def __call__(self, attrs: Any) -> Any:
        attrs = self._validate(attrs)
        with database_failures(), savepoints.atomic(router.db_for_write(SpentToken)):
            for field in self.fields:
                field.consume()
        return attrs


class VerifiedField(serializers.CharField):
    """Takes a proof for `purpose`; the errors' codes are the keys of `proofs.REASONS`.

    `audience` and `allow_test` are those of `proofs.read`; a `nonce` may be a function of the
    serializer's context. After validation `proof` has the claims. Outside a serializer the
    proof is used up at once.
    """

    default_error_messages = {**proofs.REASONS}

    def __init__(
        self,
        *,
        purpose: str,
        audience: str | None = None,
        nonce: str | Callable[[Mapping[str, Any]], str | None] | None = None,
        allow_test: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("write_only", True)
        super().__init__(**kwargs)
        self.purpose, self.audience = purpose, audience
        self.nonce, self.allow_test = nonce, allow_test
        self.proof: Proof | None = None

    def bind(self, field_name: str, parent: Any) -> None:
        """Become a field of a serializer, and the last step of its validation."""
        super().bind(field_name, parent)
        if not isinstance(parent, serializers.Serializer):
            return
        # REST framework has no hook after `validate`, where the passwords are compared.
        last = parent.validate
        if not isinstance(last, _LastStep):
            last = _LastStep(last)
            parent.validate = last  # type: ignore[method-assign]
        last.fields.append(self)

    def run_validation(self, data: Any = empty) -> Any:
        """Read the proof, if there is one."""
        self.proof = None  # of the last item, where a list is validated
        if not (data is empty or data is None or isinstance(data, str)):
            self.fail("malformed")
        return super().run_validation(data)

    @sensitive_variables()
    def to_internal_value(self, data: Any) -> Any:
        """Return the recipient; the proof stays unused until the serializer is valid."""
        hide_parameters(self.context.get("request"))
        try:
            proof = proofs.read(
                data,
                purpose=self.purpose,
                audience=self.audience,
                nonce=self._nonce(),
                allow_test=self.allow_test,
            )
        except ProofRefused as refused:
            self.fail(refused.reason)
        try:
            recipient = self.recipient(proof.subject)
        except ValueError:
            self.fail("wrong_subject")
        self.proof = proof
        if not isinstance(self.parent, serializers.Serializer):
            self.consume()
        return recipient

    def recipient(self, subject: str) -> Any:
        """Return what the field yields. Raises ValueError for another kind of recipient."""
        raise NotImplementedError

    def consume(self) -> None:
        """Use up the proof that was read. Raises REST framework's ValidationError."""
        if self.proof is None:
            return
        try:
            with database_failures():
                proofs.consume(self.proof)
        except ProofRefused as refused:
            detail: Any = [serializers.ErrorDetail(str(refused), refused.reason)]
            if isinstance(self.parent, serializers.Serializer):
                detail = {self.field_name: detail}
            raise serializers.ValidationError(detail) from None

    def _nonce(self) -> str | None:
        # A function that finds none refuses: it was to be compared.
        return (self.nonce(self.context) or "") if callable(self.nonce) else self.nonce


class VerifiedPhoneField(VerifiedField):
    """Takes a proof, gives the verified number: `VerifiedPhoneField(purpose="sign-up")`."""

    def recipient(self, subject: str) -> PhoneNumber:
        """Return the number. Raises ValueError where an e-mail address was verified."""
        return PhoneNumber.from_string(phones.parse(subject).number)


class VerifiedEmailField(VerifiedField):
    """Takes a proof, gives the verified e-mail address."""

    def recipient(self, subject: str) -> str:
        """Return the recipient. Raises ValueError where a number was verified."""
        return emails.parse(subject).address
