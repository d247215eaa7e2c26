"""Where a manager stands: alone, with records of its own, or among those that share a Redis.

Who it is (the installation), what it remembers with (the store), and how it tells who else lives and leads.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.keys import local_identity
from agentscope_runtime.sandbox_manager.membership import LocalMembership, Membership, RedisMembership
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.redis.channel import RedisChannel
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink
from agentscope_runtime.sandbox_manager.stores.redis.shelf import RedisShelf
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore


@dataclass(frozen=True, slots=True)
class Standing:
    """What a manager has in common with others, or for itself."""

    identity: Identity
    store: Store
    membership: Membership
    shelf: RedisShelf | None = None
    """Where managers that share a pool find each other's links and sign-ins; None for a manager alone."""
    channel: RedisChannel | None = None
    """Where they tell each other what happens; None for a manager alone."""


@asynccontextmanager
async def joined(settings: Settings, manager: str) -> AsyncIterator[Standing]:
    """Be a living manager while the context is open.

    Raises:
        StoreUnavailable: The settings name a Redis, and it does not answer.
        SettingsError: The folder of the state cannot be used.
    """
    async with AsyncExitStack() as stack:
        url = settings.redis_address()
        if url is None:
            membership = LocalMembership(settings.state_dir, manager)
            standing = Standing(local_identity(settings.state_dir), MemoryStore(manager), membership)
        else:
            link = RedisLink(url)
            stack.push_async_callback(link.aclose)
            standing = await _among_others(settings, link, manager)
        await stack.enter_async_context(standing.membership.alive())
        yield standing


async def _among_others(settings: Settings, link: RedisLink, manager: str) -> Standing:
    installation = settings.installation or await link.once("installation", secrets.token_hex(8))
    given = settings.installation_secret
    # In the slot of the installation's other keys; it goes with them, if Redis loses them.
    secret = given.get_secret_value() if given else await link.once(f"{{{installation}}}:secret", secrets.token_hex(32))
    return Standing(
        Identity(installation, secret.encode()),
        RedisStore(link, installation, manager),
        RedisMembership(link, installation, manager),
        RedisShelf(link, installation),
        RedisChannel(link, installation),
    )
