// What an application with @sentry/node does, 7 or 10: run by test_real_sdks, in a process of its own.
const Sentry = require("@sentry/node");

Sentry.init({ dsn: process.env.CLIENT_DSN, release: "shop@2.0.1", environment: "staging" });
Sentry.setUser({ id: "7", email: "ann@example.com", username: "ann" });
Sentry.setTag("region", "eu");

function share(total) {
  return total.parts.length;
}

async function main() {
  const ids = [];
  for (let number = 0; number < Number(process.env.CLIENT_COUNT || 0); number++) {
    Sentry.withScope((scope) => {
      scope.setTag("number", String(number));
      Sentry.captureMessage(`${process.env.CLIENT_RUN} ${number}`, "info");
    });
    if (number % 10 === 9) await Sentry.flush(10000); // its buffer has room for 30, sessions too
  }
  try {
    share({});
  } catch (error) {
    ids.push(Sentry.captureException(error));
  }
  ids.push(Sentry.captureMessage("the queue is long", "warning"));
  Sentry.setContext("long", { text: "0123456789abcdef".repeat(4096) }); // long enough to be sent with gzip
  ids.push(Sentry.captureException(new RangeError("größe €")));
  await Sentry.flush(10000);
  console.log(JSON.stringify({ version: Sentry.SDK_VERSION, ids }));
  setImmediate(() => {
    throw new Error("nobody catches this");
  });
}

main();
