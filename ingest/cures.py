"""What to do about each reason, in a sentence, for whoever connects a sender."""

from ingest.errors import Reason

CURES: dict[str, str] = {
    Reason.BAD_SIGNATURE: "Give errhouse the Client Secret that stands in Sentry, in ERRHOUSE_WEBHOOK_SECRETS, and see "
    "that no proxy changes the body; an address with a key comes from `errhouse hook add NAME`.",
    Reason.MISSING_KEY: "Use the whole DSN that `errhouse project list` shows; its key comes before the @.",
    Reason.UNKNOWN_KEY: "Use a DSN that `errhouse project list` shows, of this errhouse.",
    Reason.WRONG_PROJECT: "Use the DSN as it is; its number and its key belong together.",
    Reason.EMPTY_BODY: "See that the proxy hands bodies on, and that nothing turns POST into GET by a redirect.",
    Reason.NOT_JSON: "See that no proxy changes the body; `errhouse set-aside list` shows what came.",
    Reason.NOT_AN_OBJECT: "See that it is a webhook of Sentry that is sent here; `errhouse set-aside list` shows it.",
    Reason.BAD_ENVELOPE: "Update the SDK, and see that no proxy changes the body.",
    Reason.BAD_EVENT_ID: "Update the SDK, or leave the event's id out.",
    Reason.BAD_ENCODING: "See that no proxy undoes or changes Content-Encoding.",
    Reason.UNSUPPORTED_ENCODING: "Send it as it is, or as gzip, deflate, br or zstd, one of them.",
    Reason.TOO_LARGE: "Send less, or raise ERRHOUSE_MAX_BODY_BYTES and the limit of the proxy.",
    Reason.TRUNCATED_BODY: "See that the connection is fast and whole, and raise the proxy's timeouts.",
    Reason.BUSY: "Raise ERRHOUSE_WORKERS if processors are idle, and find who sends most, or bodies of megabytes, by "
    "`errhouse deliveries`.",
    Reason.RATE_LIMITED: "Mend what fails in a loop, or sample in the SDK, or raise "
    "ERRHOUSE_PROJECT_MAX_REQUESTS_PER_SECOND.",
    Reason.SPOOL_FULL: "Make room on the disk, see that the loader runs, or raise ERRHOUSE_SPOOL_MAX_BYTES.",
    Reason.INTERNAL: "See the log of the service.",
    Reason.UNKNOWN_RESOURCE: "Nothing: it is kept, and set aside until errhouse knows it.",
    Reason.UNKNOWN_SHAPE: "Send it with POST to /hooks/sentry, and see that the body is that of Sentry.",
    Reason.NO_EVENT: "Nothing: it holds no event, and is kept.",
    "wrong_path": "Compare the address: webhooks go to /hooks/sentry, events of SDKs to /api/<project>/envelope/.",
}


def cure(status: int, reason: str) -> str:
    """Say what to do about an answer; "" where there is nothing to do."""
    if 200 <= status < 300:
        return ""
    if reason in CURES:
        return CURES[reason]
    if status == 404:
        return CURES["wrong_path"]
    if 300 <= status < 400:
        return "Use the address it redirects to: Sentry does not follow redirects."
    if status == 413:
        return "Raise the proxy's limit of a body, such as client_max_body_size, to 20 MB."
    if status in {502, 503, 504}:
        return "See that errhouse runs behind the proxy; it answers 503 itself when its disk is full."
    return "See what answers at that address: it does not answer as errhouse does."
