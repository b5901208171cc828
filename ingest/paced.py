"""
What costs something and anybody may ask for: made so often at most, for all who ask together.

Everybody is given what was made after they asked, so nobody reads what has been; whoever asks too often waits.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Paced(Generic[Made]):
    """Calls `make` in a thread, at most once in `seconds`; for one event loop."""

    def __init__(self, make: Callable[[], Made], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._next: asyncio.Task[Made] | None = None
        self._lock = asyncio.Lock()
        self._due = 0.0

    async def get(self) -> Made:
        """Give what is made from now on."""
        if self._next is None:
            self._next = asyncio.create_task(self._made())
        return await asyncio.shield(self._next)

    async def _made(self) -> Made:
        async with self._lock:
            loop = asyncio.get_running_loop()
            if (wait := self._due - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._next = None  # who asks from now on is given the next one
            self._due = loop.time() + self._seconds
            return await asyncio.to_thread(self._make)
