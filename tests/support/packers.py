"""Bodies packed by each content encoding, and in the ways senders differ."""

import gzip
import zlib

import brotli
import zstandard


def raw_deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd_with_checksum(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_streamed(data):
    packer = zstandard.ZstdCompressor().compressobj()
    return (
        packer.compress(data[:50])
        + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        + packer.compress(data[50:])
        + packer.flush()
    )


PACKERS = {
    "gzip": ("gzip", gzip.compress),
    "gzip_members": ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(b"") + gzip.compress(data[7:])),
    "gzip_padded": ("gzip", lambda data: gzip.compress(data) + bytes(9)),
    "deflate_zlib": ("deflate", zlib.compress),
    "deflate_raw": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd_checksum": ("zstd", zstd_with_checksum),
    "zstd_streamed": ("zstd", zstd_streamed),
    "zstd_frames": (
        "zstd",
        lambda data: zstandard.compress(data[:9]) + b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(data[9:]),
    ),
}
FAST = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.compress,
}
