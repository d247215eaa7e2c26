"""Everything that can go wrong in the engine itself, as one family.

    EngineError
    ├── InvalidOption             an argument of a constructor or decorator is wrong, or its feature does not exist yet
    │   ├── UnknownFramework      no adapter of this name
    │   └── MissingSession        a call has to say which session it is about
    ├── MissingFramework          the adapter is there, the package that it adapts is not installed
    ├── NotStarted                it was used before it was started, or after it was stopped
    ├── NotAuthorized             no key, or a wrong one
    ├── SessionBusy               the session has a run already: one at a time
    ├── UnusableOutput            a handler yielded what its adapter does not know
    ├── NotStorable               a state or message is not JSON or too large, or the name that it is kept under is
    └── StoreUnavailable          what keeps states and messages (Redis) does not answer, or refuses

Each class has a stable `code` and the HTTP `status` that it is answered with. Messages that name addresses, settings or
what a handler yielded are not for clients: those classes have a `public` sentence, and the log has the rest. Where it
is the Python error that people expect (`ValueError`, `ImportError`, …), it is that, too. Not here: what agents tell
their users about failures (`schemas.exception`), and what sandboxes raise (`agentscope_runtime.sandbox.errors`).
"""

from __future__ import annotations

from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"


class EngineError(Exception):
    """Something is wrong with how the engine is used; the message names the thing and the cure."""

    code: ClassVar[str] = "engine_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Engine error"
    public: ClassVar[str] = ""
    """What clients are told instead of a message that is for who runs the application; without it, the message."""

    def for_clients(self) -> str:
        """Return what clients are told."""
        return self.public or str(self)

    def to_problem(self) -> dict[str, Any]:
        """Return this error as a problem document (RFC 9457), for clients."""
        return {"title": self.title, "status": self.status, "detail": self.for_clients(), "code": self.code}


class InvalidOption(EngineError, ValueError):
    """An argument of a constructor or decorator is wrong, or asks for what does not exist yet."""

    code, title = "invalid_option", "Invalid option"
    public = "The application is not set up as it must be."


class UnknownFramework(InvalidOption):
    """No adapter of this name; the message says `framework must be one of …`."""

    code, title = "unknown_framework", "Unknown framework"


class MissingSession(InvalidOption):
    """A call has to say which session it is about, and did not; usually it is the client who left it out."""

    code, status, title = "missing_session", 422, "Missing session"
    public = ""


class MissingFramework(EngineError, ImportError):
    """The framework's package is not installed; the message says which extra brings it."""

    code, title = "missing_framework", "Missing framework"
    public = "A package that the application needs is not installed."


class NotStarted(EngineError, RuntimeError):
    """It was used before it was started, or after it was stopped."""

    code, status, title = "not_started", 503, "Not started"


class NotAuthorized(EngineError):
    """The key is missing or wrong."""

    code, status, title = "not_authorized", 401, "Not authorized"


class SessionBusy(EngineError):
    """The session has a run already; the message says `Task {user}:{session} is already in RUNNING state.`."""

    code, status, title = "session_busy", 409, "Session busy"


class UnusableOutput(EngineError, TypeError):
    """A handler yielded what its adapter does not know; the message says what, and what is expected."""

    code, title = "unusable_output", "Unusable output"
    public = "The agent answered something that its framework's adapter does not know."


class NotStorable(EngineError, ValueError):
    """A state or message is not JSON or too large, or its user or session has a name that nothing is kept under."""

    code, status, title = "not_storable", 422, "Not storable"


class StoreUnavailable(EngineError):
    """What keeps states and messages does not answer, or refuses; the message says where it is and why."""

    code, status, title = "store_unavailable", 503, "Store unavailable"
    public = "What keeps states and messages does not answer, or refuses."
