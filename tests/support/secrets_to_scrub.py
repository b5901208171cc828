"""Keys, values and messages with secrets in them and what is left of them, and JSON spelled in odd ways."""

import json

from ingest import jsontext

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\nLmpO+i8uFqAaEFQ8\n-----END RSA PRIVATE KEY-----"
F = "[Filtered]"

KEPT_KEYS = ("foo", "apisecre", "api key", "two factor", "otpx", "pass", "credential", "mysql", "tok_en", "pwd")
SECRET_KEYS = (
    "password", "PassWord", "a_password_here", "the_secret", "passwd", "api_key", "api-key", "apikey", "apiKey",
    "Authorization", "x-auth", "author", "credentials", "mysql_pwd", "privatekey", "private_key", "private-key",
    "token", "access_token", "X-Token-Id", "otp", "OTP", "two-factor", "two_factor",
)  # fmt: skip
VALUES = {
    "my password is hunter2": F,
    "secret": F,
    "GET /?token=abc": F,
    "token:abc": F,
    "token abc": "token abc",
    "otp": F,
    "otp 1": "otp 1",
    "Authorization: Basic eA==": F,
    "bearer abc.def and more": "[Filtered] and more",
    "Bearer\tabc": F,
    "forbearer": "forbearer",
    "card 4111111111111111 ok": "card [Filtered] ok",
    "4111-1111-1111-1111": F,
    "4111 1111\n1111 1111": F,
    "4111\u00a01111\u20071111\u202f1111": F,
    "378282246310005": F,
    "5555555555554444,6011111111111117,6500000000000000": f"{F},{F},{F}",
    "x4111111111111111": "x4111111111111111",
    "41111111111111111": "41111111111111111",
    "1111111111111111": "1111111111111111",
    "ssn 078-05-1120.": "ssn [Filtered].",
    "078-05-11200": "078-05-11200",
    "pay to DE89370400440532013000": "pay to [Filtered]",
    "GB82WEST12345698765432": F,
    "ZZ89370400440532013000": "ZZ89370400440532013000",
    "de89370400440532013000": "de89370400440532013000",
    f"key {PEM} end": f"key -----BEGIN RSA PRIVATE KEY-----\n{F}\n-----END RSA PRIVATE KEY----- end",
    PEM[:60]: f"-----BEGIN RSA PRIVATE KEY-----\n{F}",
    "postgresql://bob:pw$1!@db/x": f"postgresql://bob:{F}@db/x",
    "redis://:pw@cache": f"redis://:{F}@cache",
    "https://example.com:8080/a@b": "https://example.com:8080/a@b",
    "/home/bob/app.py": f"/home/{F}/app.py",
    r"C:\Users\bob\app.py": rf"C:\Users\{F}\app.py",
    "C:/Documents and Settings/bob/x": f"C:/Documents and Settings/{F}/x",
    r"\\srv\profiles\bob\x": rf"\\srv\profiles\{F}\x",
    "/Users/bob": f"/Users/{F}",
    "homely": "homely",
    "bob@example.com": "bob@example.com",
    "true": "true",
    "": "",
}
MESSAGES = {
    "password of bob@example.com is wrong": "password of [email] is wrong",
    "a.b+c@x-y.example.co.uk, d@e.io!": "[email], [email]!",
    "@example.com": "@example.com",
    "a@b": "a@b",
    "paid by 4111111111111111": "paid by [creditcard]",
    "078-05-1120 DE89370400440532013000": "[us-ssn] [iban]",
    "sent Bearer abc": "sent Bearer [token]",
    "/home/bob token=1": "/home/bob token=1",
}


def spelled(value, chance):
    """Write JSON with any character escaped or not, by chance."""

    def text(string):
        share = chance.choice((0, 0, 0.1, 1))
        return '"' + "".join(_character(char, chance.random() < share) for char in string) + '"'

    def any_value(value):
        if isinstance(value, str):
            return text(value)
        if isinstance(value, dict):
            return "{" + ", ".join(f"{text(key)}: {any_value(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(any_value, value)) + "]"
        return jsontext.encode(value).decode()

    return any_value(value).encode()


def _character(char, is_escaped):
    if char == "/" and is_escaped:
        return r"\/"
    if is_escaped:
        units = char.encode("utf-16-be")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    return json.dumps(char, ensure_ascii=False)[1:-1]
