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


class DeliveryError(ReportsError):
    """A report could not be sent to a target; one that is permanent is not tried again by itself."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
