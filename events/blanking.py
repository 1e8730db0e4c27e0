"""Digits that look like a NIK, blanked wherever bytes of a refused record are kept or shown.

The rule that refuses a NIK in text would be worth little if its bytes stood in another topic or on a screen.
"""

from __future__ import annotations

import re

_NIK_BYTES = re.compile(rb"\d{16,}|\d{4}([ .\-])\d{4}\1\d{4}\1\d{4}|\d{6}([ .\-])\d{6}\2\d{4}")


def blanked(raw: bytes | None) -> bytes | None:
    """The bytes with such digits replaced by #, so that lengths and places stay."""
    return None if raw is None else _NIK_BYTES.sub(lambda match: b"#" * len(match[0]), raw)


def blanked_text(text: str) -> str:
    """The same for text."""
    return _NIK_BYTES.sub(lambda match: b"#" * len(match[0]), text.encode(errors="replace")).decode(errors="replace")
