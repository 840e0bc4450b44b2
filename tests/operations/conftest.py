"""A site with a signed certificate, borrowed from those who test certificates."""

from tests.certificates.conftest import authority, complete, issued, keys, ruled  # noqa: F401 (fixtures)
