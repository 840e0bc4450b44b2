"""A line of threads: first come, first served."""

from collections import deque
from threading import Lock


class Line:
    """Lets one thread after the other to the head, in the order of coming (``threading.Lock`` lets the nearest go first)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Lock] = deque()
        self._is_taken = False

    def enter(self, *, timeout_s: float) -> bool:
        """Come to the head; False where that took too long, and nothing is to be left then."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # our turn came in that very moment

    def leave(self) -> None:
        """Let the next one come, from whichever thread."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
