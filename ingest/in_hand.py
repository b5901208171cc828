"""
How many records a batch may have, after loaders that died with one in hand.

A loader says which batch it takes before it begins. The next one finds that and, where nothing was committed since,
knows what its predecessor died with: too much for the memory there is, or a record that is fatal. It takes fewer from
there, until a record stands alone that has been fatal MOST_DEATHS times; that one is set aside unread.
"""

import msgspec
import structlog

MOST_DEATHS = 5
DEATHS_BEFORE_ONE = 4
GOOD_BATCHES = 8  # so many in a row, and twice as much is tried

Place = tuple[str, int, int] | None
"""Where a batch begins: the committed position's spool, segment and offset; None: at the oldest byte there is."""

log = structlog.get_logger()


class InHand(msgspec.Struct, frozen=True):
    """A batch that is read and loaded: where it begins, its most records, and how many loaders died with one there."""

    place: Place
    records: int
    deaths: int = 0


def fewer(records: int, deaths: int) -> int:
    """Give how many records to take at a place where so many loaders have died, the last one with `records`."""
    if deaths >= DEATHS_BEFORE_ONE:
        return 1
    return max(1, records // (2 if deaths == 1 else 8))


class Caution:
    """
    What one loader knows of the deaths of those before it.

    Takes: what they had in hand, by spool; how many records a batch may have when nothing is the matter.
    """

    def __init__(self, found: dict[str, InHand], most: int) -> None:
        self._found = dict(found)
        self._deaths: dict[str, tuple[Place, int]] = {}
        self._good = 0
        self._usual = most
        self.most = most

    def opened(self, spool: str, place: Place) -> None:
        """Look what was in hand of a spool that is committed up to `place`."""
        found = self._found.pop(spool, None)
        if found is None or found.place != place:
            return
        deaths = found.deaths + 1
        self._deaths[spool] = (place, deaths)
        self._good = 0
        self.most = min(self.most, fewer(found.records, deaths))
        log.error(
            "a loader died with a batch in hand, smaller ones follow",
            spool=spool,
            records=found.records,
            deaths=deaths,
            most=self.most,
        )

    def taken(self, spool: str, place: Place, records: int) -> InHand:
        """Give what is to be written down of a batch before it is loaded."""
        return InHand(place, records, self._deaths_at(spool, place))

    def is_fatal(self, spool: str, place: Place, records: int) -> bool:
        """Say whether a batch is one record, and too many loaders have died with it."""
        return records == 1 and self._deaths_at(spool, place) >= MOST_DEATHS

    def loaded(self) -> None:
        """Take more again when some batches have gone well."""
        self._good += 1
        if self.most < self._usual and self._good >= GOOD_BATCHES:
            self._good = 0
            self.most = min(2 * self.most, self._usual)

    def _deaths_at(self, spool: str, place: Place) -> int:
        known, deaths = self._deaths.get(spool, (None, 0))
        return deaths if known == place else 0
