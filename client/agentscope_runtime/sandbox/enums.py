"""The names of the kinds of sandbox: members of a class, and more of them at any time.

Not here: which class or image serves a kind (`registry`), and what a kind can do (`_async`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self, TypeVar

_M = TypeVar("_M", bound="DynamicEnum")


class _Members(type):
    """What can be asked of the class itself, as of an enumeration's."""

    _members: dict[str, DynamicEnum]

    def __iter__(cls: type[_M]) -> Iterator[_M]:  # type: ignore[misc]
        return iter(cls.get_members())

    def __len__(cls) -> int:
        return len(cls._members)

    def __getitem__(cls: type[_M], name: str) -> _M:  # type: ignore[misc]
        return cls.get_member(name)

    def __contains__(cls, value: object) -> bool:
        return value in cls._members.values()


class DynamicEnum(str, metaclass=_Members):
    """Names that are strings, of which some are members of their class; each subclass has its own."""

    __slots__ = ()

    _members: ClassVar[dict[str, DynamicEnum]] = {}
    _builtin: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        cls._members = {}

    @classmethod
    def add_member(cls, name: str, value: str | None = None) -> Self:
        """Make a name a member, and an attribute of the class; again the same one is fine.

        Args:
            name: In capitals, or not: `ROBOT`.
            value: What it stands for; by default the name in lower case.

        Raises:
            ValueError: There is such a member, and it stands for something else.
        """
        attribute = name.upper().replace("-", "_")
        member = cls(name.lower() if value is None else value)
        if (known := cls._members.setdefault(attribute, member)) != member:
            raise ValueError(f"{cls.__name__}.{attribute} is {str(known)!r} already, not {str(member)!r}")
        setattr(cls, attribute, member)
        return member

    @classmethod
    def get_member(cls, name: str) -> Self:
        """Return a member by its name in capitals; KeyError where there is none."""
        return cls(cls._members[name])

    @classmethod
    def get_members(cls) -> list[Self]:
        """Return all members, the oldest first."""
        return [cls(member) for member in cls._members.values()]

    @classmethod
    def get_builtin_members(cls) -> list[Self]:
        """Return those that are there from the beginning."""
        return [cls(member) for name, member in cls._members.items() if name in cls._builtin]

    @classmethod
    def get_dynamic_members(cls) -> list[Self]:
        """Return those that were added."""
        return [cls(member) for name, member in cls._members.items() if name not in cls._builtin]

    @classmethod
    def is_builtin(cls, value: str) -> bool:
        """Tell whether this is one of those that are there from the beginning."""
        return value in cls.get_builtin_members()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def value(self) -> str:
        """The plain string."""
        return str(self)

    @property
    def name(self) -> str:
        """The name in capitals."""
        return self.upper().replace("-", "_")


class SandboxType(DynamicEnum):
    """A kind of sandbox: `SandboxType("browser")`, or `SandboxType.BROWSER`.

    The built-in kinds are class attributes. A kind of your own is any other name of lower-case letters, digits,
    hyphens and underscores, known once `SandboxRegistry.register` has seen it; one that ends in `_async` is the kind
    without that ending. It is a `str`, so that it travels as it is.
    """

    __slots__ = ()

    DUMMY: SandboxType
    BASE: SandboxType
    BASE_ASYNC: SandboxType
    BROWSER: SandboxType
    BROWSER_ASYNC: SandboxType
    FILESYSTEM: SandboxType
    FILESYSTEM_ASYNC: SandboxType
    GUI: SandboxType
    GUI_ASYNC: SandboxType


for _name in SandboxType.__annotations__:
    SandboxType.add_member(_name)
SandboxType._builtin = frozenset(SandboxType._members)


def plain_type(sandbox_type: str) -> str:
    """Return the name of the kind itself: `browser_async` asks for an async class of the kind `browser`."""
    return str(sandbox_type).removesuffix("_async")
