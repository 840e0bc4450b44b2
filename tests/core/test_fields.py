"""Sealed fields: never twice the same, bound to their row, found by a digest that needs the key."""

import pytest

from lms.core.digests import NotOpened, keyed_digest, seal_field, subkey, unseal_field

KEY = subkey("a passphrase for tests", "one purpose")


def test_what_is_sealed_is_opened_again_and_looks_different_each_time():
    once, twice = (seal_field(b"11010519491231002X", key=KEY, bound_to="person:1") for _ in range(2))
    assert once != twice
    assert b"110105" not in once
    assert unseal_field(once, key=KEY, bound_to="person:1") == b"11010519491231002X"
    assert unseal_field(twice, key=KEY, bound_to="person:1") == b"11010519491231002X"


@pytest.mark.parametrize(
    ("key", "bound_to", "change"),
    [
        (KEY, "person:2", lambda sealed: sealed),
        (subkey("a passphrase for tests", "another purpose"), "person:1", lambda sealed: sealed),
        (subkey("another passphrase", "one purpose"), "person:1", lambda sealed: sealed),
        (KEY, "person:1", lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (KEY, "person:1", lambda sealed: sealed[:20]),
        (KEY, "person:1", lambda _sealed: b""),
    ],
)
def test_another_row_key_or_byte_opens_nothing(key, bound_to, change):
    sealed = change(seal_field(b"secret", key=KEY, bound_to="person:1"))
    with pytest.raises(NotOpened):
        unseal_field(sealed, key=key, bound_to=bound_to)


def test_equal_data_has_equal_digests_under_one_key_only():
    assert keyed_digest(b"one", key=KEY) == keyed_digest(b"one", key=KEY)
    assert keyed_digest(b"one", key=KEY) != keyed_digest(b"two", key=KEY)
    assert keyed_digest(b"one", key=KEY) != keyed_digest(
        b"one", key=subkey("a passphrase for tests", "digest")
    )
    # RFC 4231, test case 2
    assert keyed_digest(b"what do ya want for nothing?", key=b"Jefe") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_keys_are_of_256_bits_and_stay_the_same_from_process_to_process():
    assert len(KEY) == 32
    assert KEY.hex() == KEY_THEN


KEY_THEN = "4d1152eb81d5d1bc26d4d552bf16be9014a5dbcf1883cbb87a4c8e315bbe8cf1"
