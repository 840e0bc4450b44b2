"""A site with a signed certificate, borrowed from those who test certificates."""

from tests.certificates.conftest import authority, complete, keys, ruled  # noqa: F401 (fixtures)
from tests.certificates.test_register import issued  # noqa: F401 (a fixture)
