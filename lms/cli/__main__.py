"""``python -m lms.cli`` is ``lms``."""

import sys

from lms.cli import main

sys.exit(main())
