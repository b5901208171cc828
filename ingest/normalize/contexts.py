"""What an event ran on: system, browser, runtime, device."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from ingest.normalize.fields import mapping, trimmed
from ingest.normalize.useragent import Agent, agent

NAME_CHARS = 128
VERSION_CHARS = 128
DESCRIPTION_CHARS = 256

_NOTHING = Agent()
_NAME_AND_VERSION = re.compile(r"([A-Za-z.][A-Za-z .+/-]{0,80}?)[ /]+v?(\d{1,9}(?:\.\d{1,9}){0,3}).*", re.DOTALL)


class Surroundings(NamedTuple):
    """Names and versions as they are kept."""

    os: str | None
    os_version: str | None
    browser: str | None
    browser_version: str | None
    runtime: str | None
    runtime_version: str | None
    device: str | None


def surroundings(contexts: dict[str, Any], user_agent: str | None) -> Surroundings:
    """Read what is told of the surroundings; the User-Agent header speaks for what the contexts are silent about."""
    seen = agent(user_agent[:512]) if user_agent else _NOTHING
    os, os_version = _of(mapping(contexts.get("os")))
    if os is None:
        os, os_version = _of(mapping(contexts.get("client_os")))
    if os is None:
        os, os_version = seen.os, seen.os_version
    browser, browser_version = _of(mapping(contexts.get("browser")))
    if browser is None:
        browser, browser_version = seen.browser, seen.browser_version
    runtime, runtime_version = _of(mapping(contexts.get("runtime")))
    device = mapping(contexts.get("device"))
    family = (
        trimmed(device.get("family"), NAME_CHARS)
        or trimmed(device.get("model"), NAME_CHARS)
        or (None if device else seen.device)
    )
    return Surroundings(os, os_version, browser, browser_version, runtime, runtime_version, family)


def _of(context: dict[str, Any]) -> tuple[str | None, str | None]:
    name = trimmed(context.get("name"), NAME_CHARS)
    version = trimmed(context.get("version"), VERSION_CHARS)
    if name is None:
        description = trimmed(context.get("raw_description"), DESCRIPTION_CHARS)
        if description is not None:
            return _described(description)
    return name, version


@lru_cache(maxsize=1024)
def _described(description: str) -> tuple[str | None, str | None]:
    """Split the likes of "Microsoft Windows 10.0.16299", ".NET Framework 4.8.4250.0", "Linux 4.4.0-31-generic #50"."""
    match = _NAME_AND_VERSION.fullmatch(description)
    if match is None:
        return description, None
    return match[1].strip().removeprefix("Microsoft "), match[2]
