"""The forms a payload may have, one module each. `FORMS` is the one list."""
