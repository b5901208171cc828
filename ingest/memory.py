"""How long-running processes and bulk loads hold memory."""

import gc


def settle() -> None:
    """
    Let the collector of cycles look seldom: what these loops make is freed by counting, and they make a lot of it.

    Measured: parsing and normalizing 3 KB events costs a third more with Python's own thresholds, and twice as much
    while thousands of them are held for a batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
