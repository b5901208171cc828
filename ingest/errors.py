"""
What can be wrong with what came in.

One enum of reason codes serves as HTTP detail, log field, metric label and set-aside reason at once; a code that is
promised once is never renamed.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a payload was refused, kept without a row, or set aside."""

    # what the bytes are
    EMPTY_BODY = "empty_body"
    BAD_ENCODING = "bad_encoding"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    TOO_LARGE = "too_large"
    TRUNCATED_BODY = "truncated_body"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    BAD_ENVELOPE = "bad_envelope"
    # what the event says
    BAD_EVENT_ID = "bad_event_id"
    BAD_TIMESTAMP = "bad_timestamp"
    NO_PROJECT = "no_project"
    # readable, but no error event in it
    NO_EVENT = "no_event"
    UNKNOWN_RESOURCE = "unknown_resource"
    UNKNOWN_SHAPE = "unknown_shape"
    # who sent it
    BAD_SIGNATURE = "bad_signature"
    MISSING_KEY = "missing_key"
    UNKNOWN_KEY = "unknown_key"
    WRONG_PROJECT = "wrong_project"
    # what became of it on our side
    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    SPOOL_FULL = "spool_full"
    SPOOL_DAMAGED = "spool_damaged"
    ROW_REFUSED = "row_refused"
    CONFLICT = "conflict"
    INTERNAL = "internal"


class IngestError(Exception):
    """Base of this room's errors."""


class MalformedPayload(IngestError):
    """
    A payload, or one event in it, that cannot become a row.

    `reason` decides everything that happens to it; `detail` is one sentence for a person, without payload text.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class NotAllowed(IngestError):
    """The sender did not show a right to send here: `reason` is one of the "who sent it" codes."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class TooLarge(IngestError):
    """A body, raw or decoded, passes its limit."""


class TooSlow(IngestError):
    """A body did not arrive in the time it is given."""


class TooBusy(IngestError):
    """There is no room for a body now."""


class RateLimited(IngestError):
    """A project is sent more than its share."""
