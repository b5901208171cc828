"""
Take persons out of a webhook about an issue: whoever did it, or shall see to it, is left as a kind and an id.

This is done for every project: who works on an issue is not what the warehouse is for.
"""

import re
from typing import Any

_PERSON_NAMES = (
    "actor assignee assignedTo assigned_to author createdBy created_by lastEditedBy owner participants reporter seenBy "
    "user users"
)
_PERSONAL_NAMES = (
    "assigneeEmail assigneeName avatar avatarUrl avatar_url contact_email display_name email emails identities "
    "ipAddress ip_address username"
)
_PERSONS = frozenset(_PERSON_NAMES.split())
_PERSONAL = frozenset(_PERSONAL_NAMES.split())
_KEPT = ("type", "id")
_IDENTIFIER = re.compile(r"(?:user:|team:)?[0-9A-Za-z_-]{1,64}")


def without_persons(value: Any, key: str = "") -> Any:
    """
    Give a JSON value in which no person has a name or an address.

    A person is what stands under a key that says so, and any object that has an address.
    """
    if isinstance(value, list):
        return [without_persons(item, key) for item in value]
    if key in _PERSONS or (isinstance(value, dict) and not _PERSONAL.isdisjoint(value)):
        return _person(value)
    if isinstance(value, dict):
        return {name: without_persons(item, name) for name, item in value.items()}
    return value


def members_without_persons(value: dict[str, Any]) -> dict[str, Any]:
    """Give an object that is no person itself, whatever it has, without those in it."""
    return {name: without_persons(item, name) for name, item in value.items() if name not in _PERSONAL}


def _person(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _identifier(value[name]) for name in _KEPT if name in value}
    return _identifier(value)


def _identifier(value: object) -> object:
    if isinstance(value, str):
        return value if _IDENTIFIER.fullmatch(value) else None
    return value if isinstance(value, int) else None
