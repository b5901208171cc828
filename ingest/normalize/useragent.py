"""
Browser, system and device out of a User-Agent header: the common ones, by the names Sentry gives them.

Own and small: libraries for this carry thousands of patterns and take longer than all the rest of an event.
"""

import re
from functools import lru_cache
from typing import NamedTuple

READ_CHARS = 512
VERSION_CHARS = 32


class Agent(NamedTuple):
    """What a header tells; None where it tells nothing known."""

    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None


# The order matters: most browsers also name the ones they descend from.
_BROWSERS: tuple[tuple[str, str, int], ...] = (
    ("Googlebot/", "Googlebot", 2),
    ("bingbot/", "bingbot", 2),
    ("EdgA/", "Edge Mobile", 3),
    ("EdgiOS/", "Edge Mobile", 3),
    ("Edg/", "Edge", 3),
    ("Edge/", "Edge", 2),
    ("OPR/", "Opera", 3),
    ("OPiOS/", "Opera Mobile", 3),
    ("SamsungBrowser/", "Samsung Internet", 2),
    ("YaBrowser/", "Yandex Browser", 3),
    ("Vivaldi/", "Vivaldi", 3),
    ("Electron/", "Electron", 3),
    ("FBAV/", "Facebook", 3),
    ("FxiOS/", "Firefox iOS", 2),
    ("CriOS/", "Chrome Mobile iOS", 3),
    ("HeadlessChrome/", "HeadlessChrome", 3),
    ("Firefox/", "Firefox", 3),
    ("Chrome/", "Chrome", 3),
    ("MSIE ", "IE", 2),
    ("python-requests/", "Python Requests", 2),
    ("okhttp/", "okhttp", 3),
    ("curl/", "curl", 3),
    ("axios/", "axios", 3),
    ("Go-http-client/", "Go-http-client", 2),
    ("PostmanRuntime/", "PostmanRuntime", 3),
)
_WINDOWS = {
    "10.0": "10",
    "6.3": "8.1",
    "6.2": "8",
    "6.1": "7",
    "6.0": "Vista",
    "5.2": "XP",
    "5.1": "XP",
}
_LINUXES = ("Ubuntu", "Fedora", "Debian", "CentOS", "Gentoo")

_VERSION = re.compile(r"\d{1,9}(?:[._]\d{1,9}){0,3}")
_MODEL = re.compile(r"; ([^;()]{1,64}?)(?: Build/|; wv\)|\))")


@lru_cache(maxsize=4096)
def agent(header: str) -> Agent:
    """Read a User-Agent header."""
    header = header[:READ_CHARS]
    browser, browser_version = _browser(header)
    os, os_version = _os(header)
    return Agent(browser, browser_version, os, os_version, _device(header, os, browser))


def _browser(header: str) -> tuple[str | None, str | None]:
    for mark, name, parts in _BROWSERS:
        if mark in header:
            return _on_a_phone(name, header), _version_after(header, mark, parts)
    if "Trident/" in header and "rv:" in header:
        return "IE", _version_after(header, "rv:", 2)
    if "Safari/" in header and "Version/" in header:
        is_mobile = "Mobile/" in header or "iPad" in header
        return "Mobile Safari" if is_mobile else "Safari", _version_after(header, "Version/", 3)
    if "AppleWebKit/" in header and ("iPhone" in header or "iPad" in header):
        return "Mobile Safari UI/WKWebView", None
    return None, None


def _on_a_phone(name: str, header: str) -> str:
    if name == "Chrome" and "Android" in header:
        return "Chrome Mobile WebView" if "; wv)" in header else "Chrome Mobile"
    return "Firefox Mobile" if name == "Firefox" and ("Mobile" in header or "Tablet" in header) else name


def _os(header: str) -> tuple[str | None, str | None]:
    if "Windows Phone" in header:
        return "Windows Phone", _version_after(header, "Windows Phone ", 2)
    if "Windows NT " in header:
        told = _version_after(header, "Windows NT ", 2)
        return "Windows", _WINDOWS.get(told or "", told)
    if "Android" in header:
        return "Android", _version_after(header, "Android ", 3)
    if "like Mac OS X" in header:
        return "iOS", _version_after(header, "OS ", 3)
    if "Mac OS X" in header:
        return "Mac OS X", _version_after(header, "Mac OS X ", 3)
    if "CrOS" in header:
        return "Chrome OS", None
    for name in _LINUXES:
        if name in header:
            return name, _version_after(header, name + "/", 2)
    return ("Linux", None) if "Linux" in header else (None, None)


def _device(header: str, os: str | None, browser: str | None) -> str | None:
    if browser in {"Googlebot", "bingbot"}:
        return "Spider"
    for name in ("iPhone", "iPad", "iPod"):
        if name in header:
            return name
    if os == "Mac OS X":
        return "Mac"
    if os == "Android" and (match := _MODEL.search(header, header.index("Android"))):
        model = match[1].strip()
        return model if model not in {"", "K", "wv", "Mobile", "Tablet"} and not model.startswith("rv:") else None
    return None


def _version_after(header: str, mark: str, parts: int) -> str | None:
    at = header.find(mark)
    match = _VERSION.match(header, at + len(mark)) if at >= 0 else None
    return ".".join(match[0].replace("_", ".").split(".")[:parts])[:VERSION_CHARS] if match else None
