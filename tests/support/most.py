"""The most of something while a test does its work."""

import threading
from collections.abc import Callable
from typing import Self


class Most:
    """What `measure` gave at most between `start` and `stop`, or within the context, asked every so many seconds."""

    def __init__(self, measure: Callable[[], int], seconds: float) -> None:
        self.most = 0
        self._measure = measure
        self._seconds = seconds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._is_over.wait(self._seconds):
            self.most = max(self.most, self._measure())
