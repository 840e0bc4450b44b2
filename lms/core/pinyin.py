"""Pinyin of Chinese titles, for search: the doorman of pypinyin."""

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def initials(text: str) -> str:
    """Initials of the Chinese characters and whatever Latin letters and digits stand between them, lower case.

    A few megabytes of dictionary are loaded on the first call: ask when a title is stored, not when it is searched.

    >>> initials("新生儿腰椎穿刺（CPAP）")
    'xseyzcccpap'
    """
    from pypinyin import Style, lazy_pinyin

    parts = lazy_pinyin(text, style=Style.FIRST_LETTER)
    return re.sub(r"[^a-z0-9]", "", "".join(parts).lower())
