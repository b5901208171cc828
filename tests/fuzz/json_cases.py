"""JSON values and what only looks like them: `yes` must be read, `no` must be refused, `either` may end both ways."""

from itertools import product

DEEP = 150


def cases() -> dict[str, list[bytes]]:
    """Give the cases by kind."""
    return {"yes": _yes(), "no": _no(), "either": _either()}


def _yes() -> list[bytes]:
    numbers = b"0 -0 1 -1 10 1.0 0.5 -0.5 1e1 1E1 1e+1 1e-1 1.5E-3 0e1 0e+1 0.0e0 123456789012345678 1e22 -1e-22 1e-300"
    texts = [
        b"",
        b"a",
        b"a b",
        b"\\\\",
        b"\\/",
        b"\\b\\f\\n\\r\\t",
        b'\\"',
        b"/",
        b"'",
        b"\\u0041",
        b"\\u00e9",
        b"\\uD834\\uDD1E",
    ]
    texts += [
        b"\\ud83d\\ude00",
        b"\\uFFFF",
        b"\\uFDD0",
        b"\\u2028\\u2029",
        b"\\u007f",
        b"\x7f",
        b"//c",
        b"/* c */",
        b"#",
        b",",
    ]
    texts += [
        each.encode() for each in ("é", "€", "𝄞", "\u2028", "\ufeff", "\uffff", "\u202e", "א", "e\u0301", "\U0010ffff")
    ]
    strings = [b'"%s"' % text for text in texts]
    scalars = [b"true", b"false", b"null", *numbers.split(), *strings]
    around = [b" \t\r%s \t\r" % each for each in (b"1", b'"a"', b"[]", b"{}")]
    lists = [
        b"[]",
        b"[[]]",
        b"[ ]",
        b"[1,2]",
        b"[1 , 2]",
        b'["a",null,true,{}]',
        b"[[1],[2,[3]]]",
        b"[" + b"1," * 500 + b"1]",
    ]
    objects = [b"{}", b'{"a":1}', b'{"a":1,"b":2}', b'{"a":1,"a":2}', b'{"":0}', b'{"a":{"a":{}}}', b'{"\\u0061":1}']
    objects += [
        b'{ "a" : [ 1 , { } ] }',
        b'{"a":"x","a":"x"}',
        b'{"\xc3\xa9":"\xe2\x82\xac"}',
        b'{"x\\ty":"\\\\u0041"}',
    ]
    inside = [b"[%s]" % each for each in scalars] + [b'{"k":%s}' % each for each in scalars]
    return [
        *scalars,
        *around,
        *lists,
        *objects,
        *inside,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    ]


def _no() -> list[bytes]:
    numbers = b"01 -01 00 1. .5 -.5 -. 1.e1 1e 1e+ 1E- 1eE2 +1 ++1 --1 - -a 0x1 0x 1_000 1a 1.2.3 1e1.5".split()
    numbers += b"1,5 0.e1 -NaN1 1/2".split()
    words = (
        b"tru True TRUE nul None nulll fals undefined nan inf Nan INF a b'c' \\u0041 @ $ % & ! ? ; = ` ~ < > |".split()
    )
    texts = [
        b'"',
        b'"a',
        b'a"',
        b"'a'",
        b'"\\"',
        b'"\\x41"',
        b'"\\a"',
        b'"\\u12"',
        b'"\\u"',
        b'"\\uZZZZ"',
        b'"\\u00',
        b'"\\',
        b'"\\\xc3"',
    ]
    texts += [b'"\\0"', b'"a" "b"', b'"a"b', b'""""', b'"\\ "', b'"\\U00000041"', b"`a`"]
    lists = [
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[,",
        b"[,1]",
        b"[1,,2]",
        b"[1,]",
        b"[1 2]",
        b"[1:2]",
        b"[1}",
        b"(1)",
        b"[1;2]",
        b"[a]",
        b'["a"',
    ]
    lists += [b"[" * 30, b"[]]", b"[[]", b"[1]x", b"[,]", b"[-]", b"[1,\x0c2]", b"[\xa0]", b"[*]", b"[1,2,...]"]
    objects = [
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":1,',
        b'{"a":1,}',
        b"{,}",
        b"{a:1}",
        b"{'a':1}",
        b"{1:1}",
        b'{"a" 1}',
        b'{"a",1}',
    ]
    objects += [
        b'{"a"::1}',
        b'{"a":1 "b":2}',
        b'{"a":1;}',
        b'{"a"}',
        b'{"a":}',
        b"{:1}",
        b"{null:1}",
        b'{"a":1]',
        b"{[]:1}",
        b'{"a"=1}',
    ]
    objects += [
        b'{"a":/**/1}',
        b'{"a":1}//',
        b'{"a":1}#',
        b'{"a":1}/**/',
        b"{{}}",
        b"<a/>",
        b"{...}",
        b'{"a":a}',
        b'{"a":True}',
        b'{"a":"',
    ]
    inside = [b"[%s]" % each for each in (*numbers, *words[:8]) if each != b"1,5"] + [
        b'{"k":%s}' % each for each in numbers[:12]
    ]
    return [b"", b" ", *numbers, *words, *texts, *lists, *objects, *inside, b"[" * 100_000, b'{"a":' * 100_000]


def _either() -> list[bytes]:
    numbers = [
        *b"NaN Infinity -Infinity 1e400 -1e400 1e-400 1e999999 -0e999".split(),
        b"1" * 30,
        b"18446744073709551616",
    ]
    units = (
        "\\ud800",
        "\\udfff",
        "\\udc00\\ud800",
        "\\ud800a",
        "a\\ud83d",
        "\\u0000",
        "a\\u0000b",
        "\\ud800\\ud800\\udc00",
    )
    bad = [
        b"\xff",
        b"\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe0\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xf8\x88\x80\x80\x80",
    ]
    control = [bytes([n]) for n in range(1, 32)]
    strings = [b'"%s"' % each for each in (*(unit.encode() for unit in units), *bad, *control)]
    keys = [b'{"%s":1}' % each for each, _ in product((b"\\u0000", b"\\ud800", b"\xff", b"a\x01"), (0,))]
    return [*numbers, b"9" * 5000, b"0." + b"3" * 5000, *strings, *keys, b"\xef\xbb\xbf1", b"[1,2]\x00", b"\x00"]
