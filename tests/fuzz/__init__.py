"""Mutated records through the decoder: no crash, no wrong row, each is decoded or dead.

`python -m tests.fuzz --records 1000000 --seed 1`. The judge of every record is the reference, `codec.decode` and
`rules.check`, which sees one record at a time; and of the reference, the walker that the page of dead letters rests on.
"""
