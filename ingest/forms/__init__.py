"""
The forms a payload can have: one module a form, and `FORMS`, the one list.

A form is found by the door a payload came in by, then by its headers, then by what its body holds.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from ingest import jsontext, platform_event
from ingest.errors import MalformedPayload, Reason
from ingest.forms import (
    activity_alert,
    comment,
    envelope,
    error,
    event_alert,
    installation,
    issue,
    legacy_plugin,
    metric_alert,
    preprod_artifact,
    rest_event,
    sdk_event,
    seer,
    service_hook,
    store,
    ui_component,
)
from ingest.records import Door, Payload, RawEvent, RawIssueChange

FORM_HEADER = "form"  # in a payload from a file: the form its bytes were said to have


class Form(Protocol):
    """What a module in this folder offers."""

    NAME: str

    def matches(self, payload: Payload, data: object) -> bool:
        """
        Whether the payload has this form; asked in the order of `FORMS`.

        Takes:  `data`, the parsed JSON; None for envelopes and for what is no JSON.
        """

    def parse(self, payload: Payload, data: object) -> Iterator[RawEvent | RawIssueChange]:
        """
        Give the error events, or the change of an issue, in the payload: at least one.

        Raises: MalformedPayload(reason).
        """


# Those that only a resource of the Integration Platform makes one of them: nine need not be asked of what names none.
PLATFORM_FORMS: tuple[Form, ...] = (
    error,
    event_alert,
    issue,
    comment,
    installation,
    metric_alert,
    activity_alert,
    seer,
    preprod_artifact,
)
FORMS: tuple[Form, ...] = (
    envelope,
    store,
    *PLATFORM_FORMS,
    ui_component,
    service_hook,
    legacy_plugin,
    rest_event,
    sdk_event,
)
_OTHER_FORMS = tuple(form for form in FORMS if form not in PLATFORM_FORMS)


def raw_events(payload: Payload) -> list[RawEvent]:
    """
    Give the error events in a payload: at least one, but for a change of an issue.

    Raises: MalformedPayload: what its bytes are, NO_EVENT, UNKNOWN_RESOURCE or UNKNOWN_SHAPE.
    """
    form, data = form_of(payload)
    return [raw for raw in form.parse(payload, data) if isinstance(raw, RawEvent)]


def form_of(payload: Payload) -> tuple[Form, object]:
    """
    Tell a payload's form, and give its JSON, None for envelopes.

    Raises: MalformedPayload: EMPTY_BODY, NOT_JSON, TOO_DEEP, NOT_AN_OBJECT, UNKNOWN_RESOURCE, UNKNOWN_SHAPE.
    """
    if not payload.body or payload.body.isspace():
        raise MalformedPayload(Reason.EMPTY_BODY)
    told = payload.headers.get(FORM_HEADER) if payload.door is Door.FILE else None
    if told is not None:
        return _named(told, payload)
    if payload.door is not Door.FILE and envelope.matches(payload, None):
        return envelope, None
    try:
        data = _json(payload)
    except MalformedPayload as error:
        if error.reason is Reason.NOT_JSON and envelope.matches(payload, None):
            return envelope, None
        raise
    if not isinstance(data, dict | list):
        raise MalformedPayload(Reason.NOT_AN_OBJECT, "the body is neither a JSON object nor a list of them")
    for form in _OTHER_FORMS if platform_event.resource(payload, data) is None else FORMS:
        if form.matches(payload, data):
            return form, data
    resource = payload.headers.get("sentry-hook-resource")
    if resource is not None:
        raise MalformedPayload(Reason.UNKNOWN_RESOURCE, f"the resource is {resource[:40]}")
    raise MalformedPayload(Reason.UNKNOWN_SHAPE, "the body has the shape of none of our forms")


def _named(name: str, payload: Payload) -> tuple[Form, object]:
    for form in FORMS:
        if name == form.NAME:
            return form, None if form is envelope else _json(payload)
    raise MalformedPayload(Reason.UNKNOWN_SHAPE, f"there is no form {name[:40]}")


def _json(payload: Payload) -> Any:
    return jsontext.parse(store.unwrapped(payload.body) if payload.door is Door.STORE else payload.body)[0]
