"""The HTTP request an event came out of."""

import re
from typing import Any

from ingest.normalize.fields import mapping, text, whole

URL_CHARS = 256
HTTP_STATUS_MAX = 999

_METHOD = re.compile(r"[A-Z_-]{3,32}")


def request(data: dict[str, Any]) -> dict[str, Any]:
    """Give the request of an event, empty when there is none."""
    return mapping(data.get("request")) or mapping(data.get("sentry.interfaces.Http"))


def url(asked: dict[str, Any]) -> str | None:
    """Give the URL without query and fragment, as Sentry stores it."""
    told = asked.get("url")
    if not isinstance(told, str):
        return None
    return text(told[:65536].partition("#")[0].partition("?")[0].strip(), URL_CHARS)


def method(asked: dict[str, Any]) -> str | None:
    """Give the request's method in capitals."""
    told = asked.get("method")
    if not isinstance(told, str) or len(told) > 32:
        return None
    told = told.upper()
    return told if _METHOD.fullmatch(told) else None


def user_agent(asked: dict[str, Any]) -> str | None:
    """Find the User-Agent header, in a dict or a list of pairs."""
    headers = asked.get("headers")
    pairs = headers.items() if isinstance(headers, dict) else headers if isinstance(headers, list) else ()
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            continue
        name, value = pair
        if isinstance(name, str) and len(name) == 10 and name.lower() == "user-agent":
            if isinstance(value, list) and value:
                value = value[0]
            return value if isinstance(value, str) and value else None
    return None


def remote_addr(asked: dict[str, Any]) -> object:
    """Give what the server said of the client's address."""
    return mapping(asked.get("env")).get("REMOTE_ADDR")


def http_status(contexts: dict[str, Any], tags: dict[str, str]) -> int | None:
    """Give the status of the answer, from the response context, else from a tag."""
    for told in (
        mapping(contexts.get("response")).get("status_code"),
        tags.get("http.status_code"),
        tags.get("status_code"),
        tags.get("http.response.status_code"),
    ):
        status = whole(told, HTTP_STATUS_MAX)
        if status is not None and status >= 100:
            return status
    return None
