"""Video: the one doorman of ffmpeg-python (as a builder of commands only), of the ffmpeg program and of PyAV.

An upload is hostile until proven otherwise, so every file is opened in a child process of its own with limits on time,
memory and output, a short list of container formats and no protocol but plain files. ``probe`` refuses by name before
anything costs; ``transcode`` fills a temporary folder that its caller publishes by one rename.
"""

from lms.core.video import waveform
from lms.core.video.able import version_and_lacks
from lms.core.video.ladder import RUNGS, SEGMENT_S, SHORT_SEGMENTS, SOUND_SEGMENT_S, Rung, find_ffmpeg
from lms.core.video.limits import REASONS, Limits, TranscodeFailed, TranscodeStopped, VideoRefused, reason
from lms.core.video.manifest import Manifest, Rendition
from lms.core.video.probing import Probe, probe
from lms.core.video.speech import SpeechFailed, transcribe, trouble_of
from lms.core.video.stills import still
from lms.core.video.transcoding import transcode

__all__ = [
    "REASONS",
    "RUNGS",
    "SEGMENT_S",
    "SHORT_SEGMENTS",
    "SOUND_SEGMENT_S",
    "Limits",
    "Manifest",
    "Probe",
    "Rendition",
    "Rung",
    "SpeechFailed",
    "TranscodeFailed",
    "TranscodeStopped",
    "VideoRefused",
    "find_ffmpeg",
    "probe",
    "reason",
    "still",
    "transcode",
    "transcribe",
    "trouble_of",
    "version_and_lacks",
    "waveform",
]
