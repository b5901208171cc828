"""How much memory a process takes at most."""

import threading
from contextlib import suppress
from typing import Self

import psutil


class Watch:
    """The most resident memory, in bytes, of a process while the context lasts, looked at a hundred times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self.most = 0
        self._process = process
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(0.01):
            with suppress(psutil.Error):
                self.most = max(self.most, self._process.memory_info().rss)
