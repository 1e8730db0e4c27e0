"""What the commands say when what they ask does not answer.

ApiAway          the API does not answer, or not as it should
"""


class ApiAway(RuntimeError):
    """The API does not answer, or not as it should."""
