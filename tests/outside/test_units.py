"""The units that `lms deploy systemd` writes, judged by systemd itself."""

import os
import shutil
import subprocess

import pytest

from lms.operations import deploy
from lms.settings import load

pytestmark = pytest.mark.outside


@pytest.mark.parametrize("signer", ["worker", "separate"])
@pytest.mark.parametrize("database", ["", "postgresql+psycopg://firefly@localhost/firefly"])
def test_systemd_accepts_every_unit(tmp_path, database, signer):
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("LMS_OUTSIDE") and shutil.which("apt-get"):
            pytest.fail("systemd is needed")
        pytest.skip("systemd is not here")
    settings = load({}, env="test", data_dir=tmp_path, database_url=database, signer=signer)
    files = deploy.written("systemd", settings, bind=["127.0.0.1:8000"])
    assert ("firefly-signer.service" in files) == (signer == "separate")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    judged = subprocess.run(
        [program, "verify", *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in judged.stderr.splitlines() if str(tmp_path) in line or "firefly" in line]
    assert (judged.returncode, said) == (0, [])
