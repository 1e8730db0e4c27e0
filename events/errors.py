"""What can be wrong with an event.

    ContractError            never retry: the input breaks the contract
    ├── UnreadableRecord     bytes that are no event of this topic
    ├── RuleBroken           an event that decodes and breaks a rule
    ├── UnknownRegion        a code that no region has
    ├── ReceiptError         a receipt, its key or a copy that can't be read
    ├── AccessRefused        a subscriber or a key that can't be so
    ├── InvalidSchema        what is no Avro schema
    ├── IncompatibleSchema   a version of a schema that can't read what older ones wrote
    └── RegistryRefused      a schema registry that holds something else, or does not let us in
    PublishError             retry later: the broker did not take it
    RegistryAway             retry later: the schema registry does not answer

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


class AccessRefused(ContractError):
    """A subscriber or a key can't be made, changed or found so."""


class InvalidSchema(ContractError):
    """What was given is no Avro schema."""


class IncompatibleSchema(ContractError):
    """A version of a schema can't read what older ones wrote. Names the field and the rule."""


class RegistryRefused(ContractError):
    """The schema registry holds something else, or does not let us in."""


class ReceiptError(ContractError):
    """A receipt, the key to it, or a copy that is to be compared can't be read."""


class PublishError(RuntimeError):
    """The broker did not take the event. Sending it again is safe."""


class RegistryAway(RuntimeError):
    """The schema registry does not answer. Asking again is safe."""
