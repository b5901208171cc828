"""
What a secret looks like in a text, as Sentry's default data scrubber (Relay's `@common:filter`) has it.

All patterns are for UTF-8 bytes and for RE2, which takes linear time whatever the text.
"""

from typing import Any

import re2  # type: ignore[import-untyped]

_COUNTRIES = (
    "AD AE AL AO AT AZ BA BE BF BG BH BI BJ BR BY CF CG CH CI CM CR CV CY CZ DE DJ DK DO DZ EE EG ES FI FO FR GA GB "
    "GE GI GL GQ GR GT GW HN HR HU IE IL IQ IR IS IT JO KM KW KZ LB LC LI LT LU LV LY MA MC MD ME MG MK ML MR MT MU MZ "
    "NE NI NL NO PK PL PS PT QA RO RS RU SA SC SE SI SK SM SN ST SV TD TG TL TN TR UA VA VG XK"
)
COUNTRY = f"(?-i:{'|'.join(_COUNTRIES.split())})"
CARD_START = r"(?:3[47]\d|4\d{3}|5[1-5]\d\d|65\d\d|6011)"
_SPACE = r"(?:[-\s\x0b]|\xc2\xa0|\xe2\x80[\x80-\x8a\xaf]|\xe3\x80\x80)"  # no-break, thin and wide ones too
_CARD = rf"\b{CARD_START}(?:{_SPACE}?\d){{12}}\b"
_IBAN = rf"\b{COUNTRY}\d\d[a-z0-9]{{11,29}}\b"
_SSN = r"\b\d{3}-\d\d-\d{4}\b"


def compiled(pattern: str) -> Any:
    """Compile for bytes, any case."""
    return re2.compile(pattern.encode("latin-1"), options())


def options() -> Any:
    """Give the options every pattern is compiled with."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1  # bytes as they are
    chosen.case_sensitive = False
    chosen.log_errors = False
    return chosen


WHOLE = compiled(
    r"password|secret|passwd|api[-_]key|apikey|auth|credentials|mysql_pwd|privatekey|private[-_]key|token[^\s]*[:=]"
    r"|\Aotp\z|\Atwo[-_]factor\z"
)
SECRET_KEY = compiled(
    r"password|secret|passwd|api[-_]key|apikey|auth|credentials|mysql_pwd|privatekey|private[-_]key|token"
    r"|\Aotp\z|\Atwo[-_]factor\z"
)
PEM_BEGIN = compiled(r"-----(?-i:BEGIN[A-Z ]+(?:PRIVATE|PUBLIC) KEY)-----[\t ]*\r?\n?")
PEM_END = compiled(r"\r?\n?-----(?-i:END[A-Z ]+(?:PRIVATE|PUBLIC) KEY)-----")
URL_AUTH = compiled(r'(//[^/\s:@"]*:)[^/\s@"]+@')
USER_PATH = compiled(r"((?:\b(?:users|home|documents and settings)|[^/\\][/\\]profiles)[/\\])[^/\\\r\n\x00]+")
BEARER = compiled(r"\bbearer[\s\x0b]+\S+")
CARD = compiled(_CARD)
IBAN = compiled(_IBAN)
SSN = compiled(_SSN)
NUMBER = compiled(f"{_CARD}|{_IBAN}|{_SSN}")
EMAIL = compiled(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}")
