"""QTI, the exchange format of 1EdTech: versions 2.1, 2.2 and 3.0 are read, 3.0 is written."""

from lms.assessments.interchange.package import LeftOut, Written
from lms.assessments.interchange.qti.reading import read
from lms.assessments.interchange.qti.writing import write

__all__ = ["LeftOut", "Written", "read", "write"]
