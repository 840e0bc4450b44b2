"""Numbers about tests: pure functions on arrays that answer frozen results.

Every result says how many it rests on (``n``), which definitions it used (``definitions``), and of each number that is
None the reason (``why``: name of the field → reason). Nothing is ever ``nan``. The sentences of reasons and
definitions are in ``terms``. NumPy and SciPy stay inside this package; results are plain numbers, texts and tuples.
"""
