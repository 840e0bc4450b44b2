"""What is said in a film, written down by a speech recogniser of the site's own: a program, never a service.

The site names it by a command line (LMS_TRANSCRIBER). It runs as FFmpeg does: without a shell, in a process group of its own, with
low priority and a limit of time, and nothing of it is left behind. Firefly brings no recogniser along and downloads none.
"""

import os
import re
import resource
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from lms.core.errors import LmsError
from lms.core.video import ladder
from lms.core.video.limits import TranscodeFailed
from lms.core.video.process import Bounds, run

LANGS = {"zh-Hans": "zh", "en": "en"}
"""What recognisers of the Whisper family call the languages of captions."""

START_S = 120.0
"""Wall seconds that every lecture may take: a large model is read in first."""
WALL_FACTOR = 10.0
"""Wall seconds for one second of speech besides. A model that needs more holds up a worker for too long."""
RESULT_BYTES = 1_000_000
"""Captions of four hours are a quarter of it."""

_FILE_BYTES = 64 << 20
_LINE_BYTES = 1 << 20
_SUFFIXES = (".vtt", ".srt", "")
_SAID_UNTIL = re.compile(r"^\[[\d:.,]+ *--> *(?:(\d+):)?(\d+):(\d+)[.,]\d+\]")
"""How Whisper programs tell each caption as soon as they have it."""


class SpeechFailed(LmsError):
    """Nothing came of it. ``code``:

    ``no_recogniser`` (it is not there, or cannot be run), ``recogniser`` (it ended with an error), ``too_slow``, ``too_much``
    (it wrote more than captions can be), ``no_result`` (it ended well and wrote no captions) or ``sound`` (FFmpeg could not
    bring the sound). ``detail`` is the end of what the program said, for an operator.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


def recogniser(command: str) -> list[str]:
    """The words of the command line, the program as a whole path. Raises SpeechFailed("no_recogniser")."""
    words = shlex.split(command)
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise SpeechFailed("no_recogniser", words[0] if words else "")
    return [str(Path(found).absolute()), *words[1:]]


def transcribe(
    sound: Path,
    folder: Path,
    *,
    lang: str,
    duration_s: float,
    command: str,
    ffmpeg: str = "",
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> bytes:
    """Have ``sound`` written down in ``lang`` (``zh-Hans`` or ``en``); what the recogniser wrote, not yet looked at.

    In the words of ``command`` ``{wav}`` stands for the sound, ``{lang}`` for the language (``zh``, ``en``) and ``{out}`` for the
    result without its suffix; it is looked for as ``.vtt``, ``.srt`` and without one, and ``folder``, which must be empty, is where
    the program stands. ``on_progress`` hears shares from 0 to 1, where the program tells its captions one by one. Raises
    SpeechFailed and TranscodeStopped; whatever is raised, nothing is left running.
    """
    words = recogniser(command)
    wall_s = START_S + WALL_FACTOR * duration_s
    wav, out = folder / "speech.wav", folder / "speech"
    _bring(sound, wav, duration_s=duration_s, ffmpeg=ffmpeg, should_stop=should_stop)
    given = {"{wav}": str(wav), "{lang}": LANGS[lang], "{out}": str(out)}
    filled = [words[0], *(_filled(word, given) for word in words[1:])]

    def listen(line: str) -> None:
        said = _SAID_UNTIL.match(line)
        if said and on_progress is not None:
            hours, minutes, seconds = (int(part or 0) for part in said.groups())
            on_progress(min(1.0, (hours * 3600 + minutes * 60 + seconds) / max(duration_s, 1)))

    bounds = Bounds(
        wall_s=wall_s,
        cpu_s=int(wall_s * (os.cpu_count() or 1)),
        # The program is the site's own choice and no stranger's file; a model mapped into memory would count against it.
        memory_bytes=resource.RLIM_INFINITY,
        file_bytes=_FILE_BYTES,
        out_bytes=_LINE_BYTES,
    )
    try:
        done = run(filled, bounds=bounds, folder=folder, on_line=listen, should_stop=should_stop)
    except TranscodeFailed as failure:
        raise SpeechFailed(
            "too_slow" if failure.code == "timeout" else failure.code, failure.detail
        ) from failure
    result = next((one for one in map(out.with_suffix, _SUFFIXES) if one.is_file()), None)
    # Before the status: a program that may write no more ends with an error, and this says why.
    if result is not None and result.stat().st_size > RESULT_BYTES:
        raise SpeechFailed("too_much", f"{result.stat().st_size} bytes")
    if done.status == 127:
        raise SpeechFailed("no_recogniser", done.err)
    if done.status != 0:
        raise SpeechFailed("recogniser", f"status {done.status}: {done.err}")
    if result is None:
        raise SpeechFailed("no_result", done.err)
    return result.read_bytes()


def _filled(word: str, given: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, given)), lambda found: given[found[0]], word)


def _bring(
    sound: Path, wav: Path, *, duration_s: float, ffmpeg: str, should_stop: Callable[[], bool] | None
) -> None:
    """Write the sound as the recogniser wants it: 32 KB a second."""
    wall_s = 60 + duration_s
    bounds = Bounds(
        wall_s=wall_s,
        cpu_s=int(wall_s * 2),
        memory_bytes=4 << 30,
        file_bytes=int(ladder.SPEECH_RATE_HZ * 2 * (duration_s + 60)),
    )
    try:
        program = ladder.find_ffmpeg(ffmpeg)
        done = run(ladder.speech(sound, str(wav), program=program), bounds=bounds, should_stop=should_stop)
    except TranscodeFailed as failure:
        raise SpeechFailed("sound", str(failure)) from failure
    if done.status != 0 or not wav.is_file():
        raise SpeechFailed("sound", done.err)


def trouble_of(command: str) -> str:
    """What keeps the recogniser from being run, in words for an operator; empty: nothing is known.

    It is started once, asked for its help: a program of another processor, or one that lacks a library, shows it then.
    """
    try:
        words = recogniser(command)
    except SpeechFailed as failure:
        return f"{failure.detail} is not there, or may not be run by this user."
    missing = [
        word for word in words[1:] if word.startswith("/") and "{" not in word and not Path(word).exists()
    ]
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there."
    bounds = Bounds(
        wall_s=60, cpu_s=60, memory_bytes=resource.RLIM_INFINITY, file_bytes=1_000_000, out_bytes=_LINE_BYTES
    )
    try:
        done = run([words[0], "--help"], bounds=bounds)
    except TranscodeFailed as failure:
        return f"{words[0]} does not end when it is asked for its help ({failure.code})."
    if done.status < 0 or done.status in {126, 127}:
        return f"{words[0]} cannot be run: {done.err.strip()[-200:] or f'signal {-done.status}'}"
    return ""
