"""Rows become frames, pages and messages. May import `models`, never `ingest`."""
