"""Everything that can go wrong with a sandbox, as one family.

    SandboxError
    ├── InvalidRequest            the call itself is wrong: fix the arguments
    │   ├── UnknownSandboxType
    │   └── UnknownTool
    ├── NotAuthorized             no key, or a wrong one
    │   └── Forbidden             no key would help: the call comes under a foreign name, or from a foreign page
    ├── NotFound
    │   ├── SandboxNotFound       no such sandbox, or no longer
    │   ├── FileNotFound
    │   ├── CommandNotFound       no such command or terminal in that sandbox, or no longer
    │   └── SnapshotNotFound      this user has no snapshot of that name
    ├── SnapshotRefused           it would be larger than one may be, or its user would have more than one user may
    ├── FileError                 the path exists in the wrong way, leads out of the workspace, or the disk is full
    ├── SandboxDied               the container ended while somebody held it: connect again for a fresh one
    ├── StaleGeneration           another lease holds this sandbox by now
    ├── McpServerFailed           an MCP server that was to run in a sandbox does not start
    ├── CallTimeout               the call took longer than it was given
    ├── Unavailable               nothing wrong with the call; later, or elsewhere, it may work
    │   ├── PoolExhausted         every sandbox that the limit allows is taken
    │   ├── QuotaExceeded         this user has as many as one user may have
    │   ├── ImageMissing          `make images` was not run, or built another tag
    │   ├── StartFailed           the container started and never became ready
    │   ├── BackendUnavailable    Docker does not answer
    │   ├── Draining              this manager is about to end, and did nothing; the next one serves the call
    │   ├── StoreUnavailable      what the managers share (Redis) does not answer, or is being rebuilt
    │   ├── PortFailed            nothing listens on that port of the sandbox, or it does not answer
    │   └── ManagerUnreachable    the manager itself does not answer (raised by the client only)
    └── InternalError             a bug: the manager's log has the trace

Each class has a stable `code`. Over HTTP an error is a problem document (RFC 9457) with that code, and the client
raises the same class again: `from_problem(error.to_problem())` is the identity on class, message and extras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"


class SandboxError(Exception):
    """Something went wrong with a sandbox; the message names the thing and the cure."""

    code: ClassVar[str] = "sandbox_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Sandbox error"

    def __init__(self, detail: str, **extras: Any) -> None:
        """Describe one failure.

        Args:
            detail: One or two sentences for a person: what failed, with names and numbers, and what to do.
            extras: Further members of the problem document, JSON values only (`retry_after`, in seconds, is one
                that HTTP carries as a header, too).
        """
        super().__init__(detail)
        self.detail = detail
        self.extras = extras

    def to_problem(self) -> dict[str, Any]:
        """Return this error as a problem document."""
        return {**self.extras, "title": self.title, "status": self.status, "detail": self.detail, "code": self.code}


class InvalidRequest(SandboxError):
    """The call itself is wrong; sending it again will not help."""

    code, status, title = "invalid_request", 422, "Invalid request"


class UnknownSandboxType(InvalidRequest):
    """No sandbox of this kind is known to the manager."""

    code, title = "unknown_sandbox_type", "Unknown sandbox type"


class UnknownTool(InvalidRequest):
    """The sandbox has no tool of this name."""

    code, status, title = "unknown_tool", 404, "Unknown tool"


class NotAuthorized(SandboxError):
    """The key is missing or wrong."""

    code, status, title = "not_authorized", 401, "Not authorized"


class Forbidden(NotAuthorized):
    """No key would help: the call names a host that the manager is not, or comes from another site's page."""

    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(SandboxError):
    """The thing does not exist."""

    code, status, title = "not_found", 404, "Not found"


class SandboxNotFound(NotFound):
    """No such sandbox, or no longer: it was released, or idle for too long."""

    code, title = "sandbox_not_found", "Sandbox not found"


class FileNotFound(NotFound):
    """No file or folder at that path of the workspace."""

    code, title = "file_not_found", "File not found"


class CommandNotFound(NotFound):
    """No such command or terminal in that sandbox, or it was removed."""

    code, title = "command_not_found", "Command not found"


class SnapshotNotFound(NotFound):
    """This user has no snapshot of that name."""

    code, title = "snapshot_not_found", "Snapshot not found"


class SnapshotRefused(SandboxError):
    """What should be kept is more than one snapshot, or all of one user, may have."""

    code, status, title = "snapshot_refused", 413, "Snapshot refused"


class FileError(SandboxError):
    """The file operation cannot be done as asked."""

    code, status, title = "file_error", 409, "File error"


class SandboxDied(SandboxError):
    """The container ended while it was leased; connect again to get a fresh one."""

    code, status, title = "sandbox_died", 410, "Sandbox died"


class StaleGeneration(SandboxError):
    """This lease is over; a newer one holds the sandbox."""

    code, status, title = "stale_generation", 409, "Stale lease"


class McpServerFailed(SandboxError):
    """An MCP server that was to run in a sandbox does not start; the message has what it said."""

    code, status, title = "mcp_server_failed", 424, "MCP server failed"


class CallTimeout(SandboxError):
    """The call took longer than it was given."""

    code, status, title = "call_timeout", 504, "Call timed out"


class Unavailable(SandboxError):
    """Nothing is wrong with the call; it cannot be served now."""

    code, status, title = "unavailable", 503, "Unavailable"


class PoolExhausted(Unavailable):
    """Every sandbox that the limit allows is taken."""

    code, title = "pool_exhausted", "Pool exhausted"


class QuotaExceeded(Unavailable):
    """This user has as many sandboxes as one user may have."""

    code, status, title = "quota_exceeded", 429, "Quota exceeded"


class ImageMissing(Unavailable):
    """The image of this kind of sandbox is not on the engine."""

    code, title = "image_missing", "Image missing"


class StartFailed(Unavailable):
    """The container started and never became ready."""

    code, title = "start_failed", "Sandbox failed to start"


class BackendUnavailable(Unavailable):
    """The container engine does not answer."""

    code, title = "backend_unavailable", "Container engine unavailable"


class Draining(Unavailable):
    """This manager is about to end and begins nothing new; the call had no effect, so it may be sent elsewhere."""

    code, title = "draining", "Manager is draining"


class StoreUnavailable(Unavailable):
    """Where the managers keep their records does not answer, or came back empty; sandboxes go on."""

    code, title = "store_unavailable", "Store unavailable"


class PortFailed(Unavailable):
    """Nothing listens on that port of the sandbox, or what does gave no answer."""

    code, status, title = "port_failed", 502, "No answer from the port"


class ManagerUnreachable(Unavailable):
    """The sandbox manager does not answer."""

    code, title = "manager_unreachable", "Manager unreachable"


class InternalError(SandboxError):
    """A bug in the manager or the box; its log has the trace."""

    code, title = "internal_error", "Internal error"


def _family(cls: type[SandboxError]) -> Iterator[type[SandboxError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def from_problem(problem: Mapping[str, Any], status: int = 500) -> SandboxError:
    """Make the error that a problem document describes.

    A code that this version does not know becomes the nearest general class of its HTTP status.

    Args:
        problem: The document, as parsed from JSON.
        status: The HTTP status of the answer, used when the document names none.
    """
    members = dict(problem)
    code = members.pop("code", None)
    status = int(members.pop("status", status))
    detail = str(members.pop("detail", "") or members.get("title") or f"HTTP {status}")
    for member in ("title", "type", "instance"):
        members.pop(member, None)
    for cls in _family(SandboxError):
        if cls.code == code:
            return cls(detail, **members)
    general: dict[int, type[SandboxError]] = {401: NotAuthorized, 404: NotFound, 503: Unavailable, 504: CallTimeout}
    return general.get(status, InvalidRequest if 400 <= status < 500 else InternalError)(detail, **members)
