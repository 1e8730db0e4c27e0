"""Rankings of many regions, kept while nothing changes that they are made of: pages of one are asked for in a row."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

KEPT = 8  # of 83,762 villages: 0.7 MB each


class Rankings:
    """Codes in order by what was asked. One is made at a time: a second would only share the processor with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[object, array[int]]] = OrderedDict()

    def get(self, asked: Hashable, state: object, make: Callable[[], Iterable[int]]) -> array[int]:
        """What `make` gives, or gave when it was asked the same and `state` was equal; `state` None: it may differ."""
        with self._lock:
            kept = self._kept.get(asked)
            if kept is not None and state is not None and kept[0] == state:
                self._kept.move_to_end(asked)
                return kept[1]
            made = array("q", make())
            self._kept[asked] = state, made
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return made
