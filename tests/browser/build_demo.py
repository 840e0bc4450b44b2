"""Builds the demonstration programme as it stands when everything is done: videos playable, one certificate issued.

A process of its own (`python -m tests.browser.build_demo FOLDER`), so that nothing of it stays in the tests'.
"""

import sys
from pathlib import Path

from lms import demo
from lms.app import create_app
from lms.core import clock
from lms.core.jobs import Worker
from lms.settings import load


def main(folder: Path) -> None:
    """Build, let a worker do what waits, build on that, and once more."""
    settings = load({}, env="demo", data_dir=folder)
    demo.prepare(settings)
    app = create_app(settings)
    demo.build(app, at=clock.now())
    worker = Worker(app)
    worker.drain()
    demo.enliven(app, at=clock.now())
    worker.drain()
    ready, wanted = demo.videos_ready(app)
    if not ready == wanted > 0:
        raise SystemExit(f"{ready} of {wanted} videos are playable")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
