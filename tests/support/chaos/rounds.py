"""What a chaos test does again and again: start, let sessions live, kill, start again; and look whether all is well."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

from chaos.manager_process import ManagerProcess
from chaos.sessions import Violation
from chaos.tripwires import Kill
from chaos.world import World

REACHED_WITHIN = 1.0
"""Seconds in which sessions that live come by every point that they come by at all."""
ALONE = 0.5
"""Of the kills are of a manager that is alone."""
LONGEST_LIFE = 0.4
"""Seconds after its start in which a manager is killed at random."""


async def everybody_runs(world: World) -> None:
    """Start every manager that does not run, and wait until it answers."""
    for one in world.managers:
        if not one.lives:
            one.start()
    for one in world.managers:
        if not await world.ready(one):
            raise Violation(f"a manager ended that nobody killed; its log ends:\n{one.log()}")


async def kill_at(world: World, kill: Kill, one: ManagerProcess, *, within: float = REACHED_WITHIN) -> bool:
    """Start a manager that dies at a point, and let sessions live until then; tell whether it came to that point.

    Those that share its pool are killed at times, so that it leads, and run at others, so that they do.
    """
    for each in world.companions(one):
        if world.dice.random() < ALONE:
            each.kill(signal.SIGKILL)
            await each.died(REACHED_WITHIN)
        elif not each.lives:
            each.start()
    if kill.when == "in":
        await world.engine.arm(kill.point.removeprefix("engine."), kill.nth)
        one.start()
    else:
        one.start(kill)
    async with world.busy():
        reached = await one.died(within)
    if reached:
        world.note(str(kill))
    else:
        await world.engine.disarm()
        one.kill()
        await one.died(REACHED_WITHIN)
        world.note(f"{kill} was not reached: at random instead")
    world.lost(one)
    return reached


async def kill_at_random(world: World, one: ManagerProcess, *, longest: float = LONGEST_LIFE) -> None:
    """Start a manager unless it runs, let sessions live for a moment, and kill it wherever it is."""
    for each in (one, *world.companions(one)):
        if not each.lives:
            each.start()
    life = world.dice.uniform(0.0, longest)
    async with world.busy():
        await asyncio.sleep(life)
        one.kill(signal.SIGKILL)
        await one.died(REACHED_WITHIN)
    world.note(f"at random, {life * 1000:.0f} ms after its start")
    world.lost(one)


async def all_is_well(world: World) -> None:
    """Start every manager that does not run, and check all that has to hold.

    Raises:
        Violation: Something does not.
    """
    await everybody_runs(world)
    await world.settle()
    await world.everybody_connects()
    await world.settle()
    await world.everybody_leaves()


async def kill_at_all(
    world: World, kills: Iterable[Kill], *, look_every: int = 5, within: float = REACHED_WITHIN
) -> list[Kill]:
    """Kill a manager at each of these points, and look at times whether all is well; return those not come by."""
    missed = []
    for number, kill in enumerate(kills, 1):
        if not await kill_at(world, kill, world.dice.choice(world.victims or world.managers), within=within):
            missed.append(kill)
        if not number % look_every:
            await all_is_well(world)
    await all_is_well(world)
    return missed


async def kill_for(world: World, seconds: float, *, look_every: int = 10) -> None:
    """Kill managers at random for so long, and look at times whether all is well."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        for _ in range(look_every):
            await kill_at_random(world, world.dice.choice(world.victims or world.managers))
        await all_is_well(world)
