"""What can go wrong in this room; the message is one sentence for a person and says what to do."""


class ReportsError(Exception):
    """A report, a schedule or a page cannot be had; exit code 2."""


class BadPeriod(ReportsError):
    """A period was written in a way that is not understood."""


class MissingColumn(ReportsError):
    """An aggregation was given, or gave, a frame without a column it declares: a fault of this program."""


class TooManyRows(ReportsError):
    """A question would bring more rows into memory than a report may hold."""


class BadSchedule(ReportsError):
    """A schedule cannot be as it was written."""


class LostClaim(ReportsError):
    """Somebody else has taken over the run meanwhile; what was made of it here is thrown away."""


class BadTarget(ReportsError):
    """A target cannot be as it was written."""


class BadRule(ReportsError):
    """An alert rule cannot be as it was written."""


class DeliveryError(ReportsError):
    """
    A message did not arrive at a target; one that is permanent is not tried again by itself.

    `status`: the HTTP status or SMTP code that was answered, if any; `retry_after`: seconds the receiver asked for.
    `detail`: what else was answered, for the record. None of them holds a secret.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        status: int | None = None,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.status = status
        self.retry_after = retry_after
        self.detail = detail
