"""Whom an event happened to."""

from typing import NamedTuple

from ingest.normalize.fields import ip, lenient, mapping, text
from ingest.records import RawEvent

ID_CHARS = 128
EMAIL_CHARS = 75
USERNAME_CHARS = 128
COUNTRY_CHARS = 16
IP_CHARS = 45
AUTO = "{{auto}}"

_AT_THE_CLIENT = frozenset({"javascript", "cocoa", "objc"})


class User(NamedTuple):
    """What is known of the user."""

    id: str | None = None
    email: str | None = None
    username: str | None = None
    ip: str | None = None
    geo_country: str | None = None


def user(raw: RawEvent, platform: str, remote_addr: object, tags: dict[str, str]) -> User:
    """
    Read the user; an address that is not told is the one the server saw, else, if an SDK asked for it or runs in a
    browser or phone, the sender's.

    What Sentry has processed may name the user in the tag "user" alone, by the first of id, username, email and ip.
    """
    told = mapping(raw.data.get("user")) or mapping(raw.data.get("sentry.interfaces.User"))
    found = User(
        text(lenient(told.get("id")), ID_CHARS),
        text(told.get("email"), EMAIL_CHARS),
        text(lenient(told.get("username")), USERNAME_CHARS),
        _ip(raw, told.get("ip_address"), platform, remote_addr),
        text(mapping(told.get("geo")).get("country_code"), COUNTRY_CHARS),
    )
    if raw.is_processed and not any(found[:4]):
        named = told.get("sentry_user")
        return _named(named if isinstance(named, str) else tags.get("user", ""), found)
    return found


def _ip(raw: RawEvent, told: object, platform: str, remote_addr: object) -> str | None:
    if isinstance(told, str) and told != AUTO:
        return _address(told)
    if raw.is_processed:
        return None
    found = _address(remote_addr)
    return found or (_peer(raw) if told == AUTO or platform in _AT_THE_CLIENT else None)


def _peer(raw: RawEvent) -> str | None:
    return _address(raw.peer)


def _address(told: object) -> str | None:
    return ip(told) if isinstance(told, str) and len(told) <= IP_CHARS else None


def _named(sentry_user: str, found: User) -> User:
    kind, colon, name = sentry_user.partition(":")
    if not colon or not name:
        return found
    match kind:
        case "id":
            return found._replace(id=text(name, ID_CHARS))
        case "username":
            return found._replace(username=text(name, USERNAME_CHARS))
        case "email":
            return found._replace(email=text(name, EMAIL_CHARS))
        case "ip":
            return found._replace(ip=_address(name))
    return found
