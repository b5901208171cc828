"""From a message that was put into the outbox to a delivery that is written down, and the doors it goes out by."""
