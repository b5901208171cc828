"""
Bytes from outside become rows.

A payload is received, verified, made durable in the spool and answered; then it is read as one of the forms,
normalized as Sentry would, scrubbed, and loaded. This room may import `models`; it never imports `reports`,
except at the two front doors, `app.py` and `cli.py`.
"""
