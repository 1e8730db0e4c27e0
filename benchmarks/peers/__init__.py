"""The competitors of `make bench NAME=ingest`: each a small program as a user of that library would write it.

`python -m benchmarks.peers.loop '{"bootstrap": ...}'` does one job in a process of its own, and prints what it took.
"""
