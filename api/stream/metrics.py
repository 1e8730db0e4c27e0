"""Every number the streams show about themselves."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

# Why streams end that their clients did not end: slow, stalled, key, tail, stopping.
# Why none is opened: busy, full, cap, id, since, away. What is refused for its key is in `cakupan_api_refused`.


class StreamMetrics:
    """Of one app, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("cakupan_api_stream_listeners", "Open streams.", registry=registry)
        self.readers = Gauge("cakupan_api_stream_readers", "Streams that read the past.", registry=registry)
        self.read = Counter("cakupan_api_stream_read", "Records read at the end of the log.", registry=registry)
        self.sent = Counter("cakupan_api_stream_sent_bytes", "Bytes of streams.", registry=registry)
        self.cut = Counter("cakupan_api_stream_cut", "Streams ended by the server.", ["reason"], registry=registry)
        self.refused = Counter(
            "cakupan_api_stream_refused", "Streams that were not opened.", ["reason"], registry=registry
        )
