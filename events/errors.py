"""What can be wrong with an event.

    ContractError            never retry: the input breaks the contract
    ├── UnreadableRecord     bytes that are no event of this topic
    ├── RuleBroken           an event that decodes and breaks a rule
    └── UnknownRegion        a code that no region has
    PublishError             retry later: the broker did not take it

No message repeats the offending text: it may be personal data.
"""

from __future__ import annotations


class ContractError(ValueError):
    """The input breaks the contract. Sending it again changes nothing."""


class UnreadableRecord(ContractError):
    """The bytes are no event of this topic."""


class RuleBroken(ContractError):
    """The event decodes and breaks a rule. `field` names the part that does."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class UnknownRegion(ContractError):
    """No region has this code."""


class PublishError(RuntimeError):
    """The broker did not take the event. Sending it again is safe."""
