"""What an application with sentry-sdk does that fails in a loop: run by test_quota, in a process of its own."""

import json
import os
import time
from datetime import UTC, datetime

import sentry_sdk

MOST = int(os.environ["CLIENT_COUNT"])

sentry_sdk.init(dsn=os.environ["CLIENT_DSN"], release="shop@2.0.1", environment="staging")
transport = sentry_sdk.get_client().transport
count = 0
while count < MOST and transport.is_healthy():
    count += 1
    sentry_sdk.capture_message(f"in a loop {count}")
    sentry_sdk.flush(10)
seconds = max((until - datetime.now(UTC)).total_seconds() for until in transport._disabled_until.values())
for number in range(MOST):
    sentry_sdk.capture_message(f"in the pause {number}")
    sentry_sdk.flush(10)
while not transport.is_healthy():
    time.sleep(0.05)
sentry_sdk.capture_message("after the pause")
sentry_sdk.flush(10)
print(json.dumps({"count": count, "seconds": seconds}))
