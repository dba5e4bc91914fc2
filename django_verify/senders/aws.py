"""What senders over AWS share: one call by `boto3`, of the extra `sns`, and its errors read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django_verify.conf.backends import installed
from django_verify.net.times import read_retry_after
from django_verify.senders import rest
from django_verify.senders.base import (
    ACCOUNT,
    REQUEST,
    Receipt,
    Sender,
    SendError,
    TemporarySendError,
)

# Limits and outages, whatever the HTTP status.
_TEMPORARY = frozenset(
    {"InternalError", "InternalFailure", "KMSThrottling", "RequestTimeout", "ServiceUnavailable"}
    | {"Throttled", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
    | {"InternalServerException"}
)


class AwsSender(Sender):
    """A service of AWS, which `service` names as boto3 does.

    It overrides `refuses_recipient`, and `code` where its errors have reasons of their own. Without
    `access_key_id` and `secret_access_key`, AWS's own chain finds the credentials.
    """

    service = ""
    #: Its codes of what concerns the whole account, under whatever HTTP status.
    account: frozenset[str] = frozenset()

    def __init__(
        self,
        alias: str,
        *,
        region: str,
        access_key_id: str = "",
        secret_access_key: str = "",
        endpoint_url: str = "",
    ) -> None:
        super().__init__(alias)
        if not installed("boto3"):
            raise ValueError("it needs boto3: install django-verify[sns]")
        if bool(access_key_id) != bool(secret_access_key):
            raise ValueError("give both access_key_id and secret_access_key, or neither")
        if not region:
            raise ValueError("region must not be empty")
        self.options = {"region_name": region} | rest.fields(
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            endpoint_url=endpoint_url,
        )
        # At DEBUG it writes every request down, message and all.
        logger = logging.getLogger("botocore")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)

    def ask(self, operation: str, parameters: Mapping[str, Any]) -> Receipt:
        """Call an operation once, and return the receipt. Raises SendError."""
        # The library takes an answer that it cannot read for one without members.
        sid = rest.pick(self.call(operation, parameters), "MessageId")
        if not sid:
            raise TemporarySendError("AWS's answer cannot be read", uncertain=True)
        return Receipt(provider_sid=sid)

    def call(self, operation: str, parameters: Mapping[str, Any], *, sends: bool = True) -> Any:
        """Return the answer of an operation; only one that `sends` may leave it uncertain.

        The library's own retries are off.
        """
        import botocore.exceptions as errors  # noqa: PLC0415 - an extra
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - an extra

        try:
            return getattr(self._client, operation)(**parameters)
        except errors.ClientError as error:
            failure = self._refusal(error.response)
        except (
            errors.ConnectTimeoutError,
            errors.EndpointConnectionError,
            errors.NoCredentialsError,
            errors.SSLError,
        ) as error:
            failure = TemporarySendError(f"AWS could not be reached: {type(error).__name__}")
        except (errors.BotoCoreError, ResponseParserError) as error:
            text = f"AWS did not answer: {type(error).__name__}"
            failure = TemporarySendError(text, uncertain=True)
        if isinstance(failure, TemporarySendError) and not sends:
            failure.uncertain = False
        # Raised out here, for the library's error holds the request.
        raise failure

    def code(self, response: Any) -> str:
        """Return the code of an error."""
        return rest.pick(response, "Error", "Code")

    def refuses_recipient(self, response: Any, code: str) -> bool:
        """Whether an error is known to be about the recipient, and not about what we asked."""
        raise NotImplementedError

    @cached_property
    def _client(self) -> Any:
        import boto3.session  # noqa: PLC0415 - an extra
        from botocore.config import Config  # noqa: PLC0415 - an extra

        times = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        return boto3.session.Session().client(self.service, config=times, **self.options)

    def _refusal(self, response: Any) -> SendError:
        code = rest.code_of(self.code(response))
        status = rest.pick(response, "ResponseMetadata", "HTTPStatusCode")
        if self.refuses_recipient(response, code):
            return SendError("AWS refused the recipient", code=code)
        pause = rest.pick(response, "ResponseMetadata", "HTTPHeaders", "retry-after")
        named = {code, rest.pick(response, "Error", "Code")}
        busy = bool(named & _TEMPORARY) or status.startswith("5") or status == "429"
        of_account = status != "400" or bool(named & self.account)
        return TemporarySendError(
            "AWS did not take the message for now" if busy else "AWS refused the request",
            code=code or status,
            uncertain=status.startswith("5") and status != "503",
            retry_after=read_retry_after(pause, rest.LONGEST_PAUSE),
            fault="" if busy else ACCOUNT if of_account else REQUEST,
        )
