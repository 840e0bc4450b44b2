"""A signer process that tests kill: it says ``begun`` once a certificate is drawn, and sleeps before it signs.

``python -m tests.certificates.signer_process SETTINGS`` (a settings file) works until it is stopped.
"""

import sys
import time
from pathlib import Path

from lms.core import signing

if __name__ == "__main__":
    from lms.app import create_app
    from lms.certificates.jobs import key_trouble
    from lms.core.signer import Signer
    from lms.settings import load, read_file

    sign_pdf = signing.sign_pdf

    def slowly(*given, **named):
        """Sign, and die before anybody learns of it."""
        signed = sign_pdf(*given, **named)
        print("begun", flush=True)
        time.sleep(600)
        return signed

    signing.sign_pdf = slowly
    Signer(create_app(load(read_file(Path(sys.argv[1])))), trouble=key_trouble, sweep_s=0.2).run()
