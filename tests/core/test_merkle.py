"""The Merkle tree of RFC 9162: vectors of Certificate Transparency, and laws for any tree."""

from hypothesis import given
from hypothesis import strategies as st

from lms.core import merkle

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
VECTORS = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}

trees = st.lists(st.binary(max_size=4).map(merkle.leaf_hash), min_size=1, max_size=70)


def test_the_roots_are_those_of_certificate_transparency():
    for size, expected in ROOTS.items():
        assert merkle.root(VECTORS[:size]).hex() == expected
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_inclusion_proof_is_that_of_certificate_transparency():
    assert [step.hex() for step in merkle.inclusion(0, VECTORS)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@given(trees, st.data())
def test_every_leaf_is_proven_at_its_place_and_nowhere_else(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof, root = merkle.inclusion(index, leaves), merkle.root(leaves)
    assert merkle.holds_inclusion(leaves[index], index, len(leaves), proof, root)
    assert not merkle.holds_inclusion(merkle.leaf_hash(b"another"), index, len(leaves), proof, root)
    assert not merkle.holds_inclusion(leaves[index], index, len(leaves), [*proof, root], root)
    if proof:
        assert not merkle.holds_inclusion(leaves[index], index, len(leaves), proof[:-1], root)


@given(trees, st.data())
def test_a_grown_tree_continues_every_earlier_one_and_no_other(leaves, data):
    old = data.draw(st.integers(1, len(leaves)))
    before, now = merkle.root(leaves[:old]), merkle.root(leaves)
    proof = merkle.consistency(old, leaves)
    assert merkle.holds_consistency(old, len(leaves), before, now, proof)
    rewritten = merkle.root([merkle.leaf_hash(b"rewritten"), *leaves[1:old]])
    assert not merkle.holds_consistency(old, len(leaves), rewritten, now, proof)


@given(trees)
def test_appending_one_by_one_gives_the_same_root(leaves):
    frontier = merkle.Frontier()
    for size, leaf in enumerate(leaves, 1):
        frontier = frontier.plus(leaf)
        assert frontier.root == _by_definition(leaves[:size])


def _by_definition(leaves):
    """The recursive definition of RFC 9162, 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(_by_definition(leaves[:k]), _by_definition(leaves[k:]))
