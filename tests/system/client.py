"""What an application with sentry-sdk does, 1.45 or 2: run by test_real_sdks, in a process of its own."""

import json
import os
import sys

import sentry_sdk

options = json.loads(os.environ.get("CLIENT_OPTIONS", "{}"))
sentry_sdk.init(dsn=os.environ["CLIENT_DSN"], release="shop@2.0.1", environment="staging", **options)
sentry_sdk.set_user({"id": "7", "email": "ann@example.com", "username": "ann"})
sentry_sdk.set_tag("region", "eu")


def share(total: int, parts: int) -> float:
    return total / parts


for number in range(int(os.environ.get("CLIENT_COUNT", "0"))):
    with sentry_sdk.push_scope() if sentry_sdk.VERSION.startswith("1.") else sentry_sdk.new_scope() as scope:
        scope.set_tag("number", str(number))
        sentry_sdk.capture_message(f"{os.environ['CLIENT_RUN']} {number}", level="info")
    if number % 50 == 49:
        sentry_sdk.flush(10)  # it drops what its queue has no room for
try:
    share(1, 0)
except ZeroDivisionError:
    handled = sentry_sdk.capture_exception()
message = sentry_sdk.capture_message("the queue is long", level="warning")
sentry_sdk.set_context("long", {"text": "0123456789abcdef" * 4096})
try:
    {}["größe €"]
except KeyError as error:
    large = sentry_sdk.capture_exception(error)
sentry_sdk.flush(10)
client = sentry_sdk.get_client() if hasattr(sentry_sdk, "get_client") else None
algorithm = getattr(client and client.transport, "_compression_algo", "gzip")
print(json.dumps({"version": sentry_sdk.VERSION, "algorithm": algorithm, "ids": [handled, message, large]}))
sys.stdout.flush()
raise RuntimeError("nobody catches this")
