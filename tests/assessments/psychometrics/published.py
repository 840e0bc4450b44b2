"""Data and numbers that others published, and what every result must keep to."""

import dataclasses
import math

import numpy as np

_LSAT6 = """00000:3 00001:6 00010:2 00011:11 00100:1 00101:1 00110:3 00111:4 01000:1 01001:8 01011:16 01101:3 01110:2
01111:15 10000:10 10001:29 10010:14 10011:81 10100:3 10101:28 10110:15 10111:80 11000:16 11001:56 11010:21 11011:173
11100:11 11101:61 11110:28 11111:298"""

_LSAT7 = [
    12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28, 7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32, 308,
]  # fmt: skip


def lsat6():
    """Law School Admission Test, section 6: 1,000 candidates, 5 items (Bock and Lieberman 1970; ``LSAT`` in R's ltm)."""
    pairs = [one.split(":") for one in _LSAT6.split()]
    return np.array([[int(mark) for mark in pattern] for pattern, count in pairs for _ in range(int(count))])


def lsat7():
    """Section 7: frequencies of the patterns 00000 to 11111 in the order of binary numbers (``LSAT7`` in R's mirt)."""
    return np.array(
        [[int(mark) for mark in f"{number:05b}"] for number, count in enumerate(_LSAT7) for _ in range(count)]
    )


MOODLE_QUIZ = np.array(
    [
        [1, 1, 1, 1, 1, 0, 1],
        [1, 1, 1, 1, 0.5, 1, 0],
        [1, 1, 1, 1, 0.5, 0, 1],
        [0, 0, 1, 1, 1, 0, 0],
        [1, 0, 1, 0, 0, 1, 0.5],
        [1, 1, 1, 1, 0.5, 0, 0.5],
        [0, 1, 1, 1, 0.5, 1, 0.5],
        [1, 1, 1, 0, 0.5, 1, 0.5],
        [1, 0, 1, 1, 1, 1, 1],
        [0, 1, 1, 0, 0.5, 1, 0.5],
        [0.8, 0, 1, 1, 0.5, 1, 0.5],
        [1, 1, 1, 0, 0.5, 1, 1],
        [1, 0, 1, 1, 0.5, 1, 0.5],
        [1, 0, 1, 1, 1, 0, 0.5],
        [0, 0, 1, 1, 0, 1, 1],
        [1, 0, 1, 0, 0.5, 1, 1],
        [0.8, 0, 1, 1, 0.5, 0, 1],
        [1, 0, 1, 1, 0, 1, 0.5],
        [1, 0, 1, 1, 0.5, 0, 0.5],
        [0, 1, 1, 0, 0.5, 1, 0],
        [1, 1, 0.3333333, 1, 0.5, 0, 0.5],
        [1, 1, 1, 0, 0.5, 0, 0.5],
        [1, 1, 1, 1, 0, 1, 0.5],
        [0, 0, 1, 0, 0.5, 1, 1],
        [0, 0, 1, 1, 1, 1, 1],
    ]
)
"""Marks of 25 attempts at 7 questions: the quiz by which Moodle tests its statistics (results00.csv)."""


def keeps_its_word(result, silent=()):
    """Nothing is nan; what is None says why, and what says why is None. Looks into results inside results."""
    why = getattr(result, "why", {})
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if field.name in silent or field.name == "why":
            continue
        if value is None:
            assert field.name in why, field.name
        elif isinstance(value, float):
            assert math.isfinite(value), field.name
            assert field.name not in why, field.name
        elif dataclasses.is_dataclass(value):
            keeps_its_word(value, silent)
        elif isinstance(value, tuple):
            for one in value:
                if dataclasses.is_dataclass(one):
                    keeps_its_word(one, silent)
    if hasattr(result, "definitions"):
        assert result.definitions
