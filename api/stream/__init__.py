"""The log as server-sent events and as lines of JSON: see docs/stream.md."""
