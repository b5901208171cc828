"""What can go wrong in this room; each message is one sentence that says what to do next."""


class ModelsError(Exception):
    """Base of this room's errors."""
