"""Errors that handlers raise to tell the client something: a status, a code for programs and a sentence for people.

    AppBaseException            any of them
    ├── BadRequestException     400 BAD_REQUEST
    │   └── InvalidParameterException   400 INVALID_PARAMETER
    ├── UnauthorizedException   401 UNAUTHORIZED
    ├── ForbiddenException      403 FORBIDDEN
    ├── NotFoundException       404 NOT_FOUND
    ├── RequestTimeoutException 408 REQUEST_TIMEOUT
    ├── ConflictException       409 CONFLICT
    ├── RateLimitException      429 RATE_LIMITED
    ├── ModelException          502 MODEL_ERROR
    ├── ToolException           502 TOOL_ERROR
    ├── ServiceUnavailableException     503 SERVICE_UNAVAILABLE
    └── UnknownAgentException   500 AGENT_UNKNOWN_ERROR

Their message is sent as it is. Of any other exception a client sees its type and nothing else.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppBaseException(Exception):
    """Something that the client is told, in these words."""

    STATUS: ClassVar[int] = 500
    CODE: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self,
        status: int | None = None,
        code: str | None = None,
        message: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Name what is not said by the class."""
        super().__init__(message)
        self.status = self.STATUS if status is None else status
        self.code = self.CODE if code is None else code
        self.message = message
        self.details = details or {}


class _Said(AppBaseException):
    """One whose status and code are said by its class."""

    def __init__(self, message: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message=message or self.CODE.replace("_", " ").lower(), details=details)


class BadRequestException(_Said):
    """What was asked makes no sense."""

    STATUS = 400
    CODE = "BAD_REQUEST"


class InvalidParameterException(BadRequestException):
    """One parameter has a value that it may not have."""

    CODE = "INVALID_PARAMETER"


class UnauthorizedException(_Said):
    """Who asks did not say who they are."""

    STATUS = 401
    CODE = "UNAUTHORIZED"


class ForbiddenException(_Said):
    """Who asks may not."""

    STATUS = 403
    CODE = "FORBIDDEN"


class NotFoundException(_Said):
    """What was asked for is not there."""

    STATUS = 404
    CODE = "NOT_FOUND"


class RequestTimeoutException(_Said):
    """It took too long."""

    STATUS = 408
    CODE = "REQUEST_TIMEOUT"


class ConflictException(_Said):
    """Something else is under way."""

    STATUS = 409
    CODE = "CONFLICT"


class RateLimitException(_Said):
    """Too much was asked for in too short a time."""

    STATUS = 429
    CODE = "RATE_LIMITED"


class ModelException(_Said):
    """The model did not answer, or not usefully."""

    STATUS = 502
    CODE = "MODEL_ERROR"


class ToolException(_Said):
    """A tool failed, and the agent cannot go on without it."""

    STATUS = 502
    CODE = "TOOL_ERROR"


class ServiceUnavailableException(_Said):
    """Something that the agent needs is not there now."""

    STATUS = 503
    CODE = "SERVICE_UNAVAILABLE"


class UnknownAgentException(AppBaseException):
    """A handler failed in a way that it did not foresee; the message names the type and keeps the rest to the log."""

    CODE = "AGENT_UNKNOWN_ERROR"

    def __init__(self, original_exception: BaseException, details: dict[str, Any] | None = None) -> None:
        super().__init__(message=f"Unknown agent error: {type(original_exception).__name__}", details=details)
        self.original_exception = original_exception
