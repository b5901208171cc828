"""How the program speaks to its operator: one line an occurrence, JSON unless a person is looking, never a payload."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def escaped(value: str) -> str:
    """Write control characters and changes of direction as what they are."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", value) if _CONTROL.search(value) else value


def _escaped(_logger: object, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let no value of a field break out of its line."""
    for name, value in entry.items():
        if isinstance(value, str) and name != "exception":
            entry[name] = escaped(value)
    return entry


class _StandardError:
    """Standard error as it is at the moment; loggers live longer than what it was when they were made."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str, role: str) -> None:
    """Set logging up for one process; `role` is in every line."""
    is_person = sys.stderr.isatty()
    stream: Any = _StandardError()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escaped,
            structlog.dev.ConsoleRenderer() if is_person else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(name)s: %(message)s", force=True)
