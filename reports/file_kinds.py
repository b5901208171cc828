"""How the files of reports are named and called, told without loading what draws them; a test compares the two."""

FILE_KINDS = {
    "text": ("txt", "text/plain; charset=utf-8"),
    "markdown": ("md", "text/markdown; charset=utf-8"),
    "html": ("html", "text/html; charset=utf-8"),
    "csv": ("csv.zip", "application/zip"),
    "json": ("json", "application/json"),
    "xlsx": ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "parquet": ("parquet.zip", "application/zip"),
    "png": ("png", "image/png"),
    "svg": ("svg", "image/svg+xml"),
}
"""Extension and media type of each format."""
UNKNOWN = ("bin", "application/octet-stream")
