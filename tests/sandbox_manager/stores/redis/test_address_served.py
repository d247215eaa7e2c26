"""Addresses of real servers: with certificates, behind sentinels, in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis_server import RedisServer, free_port
from stores import ALICE, ME, OTHER, claim, ids, leased, make_whole, shared, warm
from web_site import certificates

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Servers that end with the test."""
    with ExitStack() as stack:
        yield stack


async def said(server: RedisServer, *command: str | int) -> str:
    """Ask a server something, and return the answer as text."""
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        ask: Callable[..., Awaitable[object]] = redis.execute_command
        return str(await ask(*command))


async def failover(sentinel: RedisServer) -> str:
    """Have a sentinel replace the master; it refuses for as long as it has not looked at the replica itself."""
    try:
        return await said(sentinel, "SENTINEL", "FAILOVER", "pool")
    except ResponseError as error:
        return str(error)


async def refusal(store: RedisStore) -> str:
    """Return why a claim is refused; nothing if it is not."""
    try:
        await claim(store, ALICE, "base", drafts=False)
    except StoreUnavailable as error:
        return error.detail
    return ""


async def eventually(ask: Callable[[], Awaitable[str]], wanted: str) -> None:
    """Ask until this is in the answer: nothing tells when servers have found each other."""
    answer = ""
    try:
        async with asyncio.timeout(30):
            while wanted not in answer:
                answer = await ask()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{wanted!r} is not in {answer}") from None


async def test_a_server_with_a_certificate(tmp_path: Path, servers: ExitStack) -> None:
    """It is believed if the authority is the one that was named, and the name its own."""
    files = {}
    for name, text in zip(("ca.pem", "cert.pem", "key.pem"), certificates(["localhost"]), strict=True):
        files[name] = tmp_path / name
        files[name].write_text(text)
    port = free_port()
    servers.enter_context(
        RedisServer(
            tmp_path,
            tls_port=port,
            tls_cert_file=files["cert.pem"],
            tls_key_file=files["key.pem"],
            tls_ca_cert_file=files["ca.pem"],
            tls_auth_clients="no",
        )
    )
    link = RedisLink(f"rediss://localhost:{port}/0?ssl_ca_certs={files['ca.pem']}")
    await link.ping()
    await link.aclose()
    link = RedisLink(f"rediss://localhost:{port}/0")
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await link.ping()
    await link.aclose()


@pytest.mark.slow  # sentinels look for replicas every ten seconds
async def test_a_master_that_sentinels_replace(tmp_path: Path, servers: ExitStack) -> None:
    """Whoever is the master is used, and counts as not whole when it has just become it."""
    first = servers.enter_context(RedisServer(tmp_path / "1"))
    second = RedisServer(tmp_path / "2", replicaof=("127.0.0.1", first.port))
    servers.enter_context(second)
    await eventually(lambda: said(second, "INFO", "replication"), "'master_link_status': 'up'")
    sentinel = servers.enter_context(RedisServer(tmp_path / "s", monitors=first.port))
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/pool/0"
    await eventually(lambda: said(sentinel, "SENTINEL", "REPLICAS", "pool"), "127.0.0.1")
    async with shared(url, ME) as (store,):
        (held,) = await leased(store, ALICE, "base")
        await eventually(partial(failover, sentinel), "OK")
        await eventually(lambda: refusal(store), "came back empty")
        assert "'role': 'master'" in await said(second, "INFO", "replication")
        await make_whole(store)
        assert ids(await claim(store, ALICE, "base")) == [held]


async def test_any_node_of_a_cluster_leads_to_the_one_with_the_keys(tmp_path: Path, servers: ExitStack) -> None:
    """All of an installation are on one node, which every script finds; news go everywhere."""
    nodes = [
        servers.enter_context(RedisServer(tmp_path / name, cluster_enabled="yes", cluster_config_file="nodes"))
        for name in "12"
    ]
    for at, (node, slots) in enumerate(zip(nodes, ((0, 8191), (8192, 16383)), strict=True)):
        await said(node, "CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        await said(node, "CLUSTER", "ADDSLOTSRANGE", *slots)
        await said(node, "CLUSTER", "MEET", "127.0.0.1", nodes[1 - at].port)
    for node in nodes:
        await eventually(partial(said, node, "CLUSTER", "INFO"), "cluster_state:ok")
    for node in nodes:
        async with shared(node.url, ME, OTHER) as (mine, theirs):
            heard = asyncio.ensure_future(anext(theirs.news()))
            free = await warm(mine)
            assert ids(await claim(theirs, ALICE, "base")) == [free]
            assert (await mine.get(free)).key == ALICE
            await heard
