"""What can go wrong when something is to be signed."""


class SigningFailed(Exception):
    """The PDF cannot be signed (it is broken, or carries a signature already), or the key cannot be opened."""


class KeyAway(SigningFailed):
    """The key is not at hand now: the token is not plugged in, its PIN is refused. What waits for it loses nothing."""
