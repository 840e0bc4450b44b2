"""Every rung of a full-size lecture measured as players see it: codecs, keyframes, lengths, loudness, thumbnails, slides."""

import io
import itertools
import json
import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from lms.core import video
from lms.core.video import Manifest, ladder
from lms.core.video.manifest import thumbs_track
from tests.core.test_video import PROGRAM, make

SECONDS = 9
WHISPER = f"anoisesrc=d={SECONDS}:c=pink:a=0.02,tremolo=f=4:d=0.8"
"""As quiet as a lecturer far from the microphone: about -37 LUFS."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """The ladder of a film of 1920 x 1080."""
    folder = tmp_path_factory.mktemp("full")
    film = make(folder / "film.mp4", "-f", "lavfi", "-i", f"testsrc=s=1920x1080:r=25:d={SECONDS}", "-f", "lavfi", "-i", WHISPER, "-preset", "ultrafast", "-pix_fmt", "yuv420p")  # fmt: skip
    return folder / "out", video.transcode(film, folder / "out")


def packets(folder: Path) -> tuple[av.CodecContext, list[float], float, list[float]]:
    """Codec, presentation times, end and keyframes of one rendition, read as its playlist names the parts."""
    named = re.findall(r'URI="([^"]+)"|^([^#\s]\S*)$', (folder / "index.m3u8").read_text(), re.MULTILINE)
    data = b"".join((folder / (init or part)).read_bytes() for init, part in named)
    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        stream = container.streams[0]
        found = [p for p in container.demux(stream) if p.pts is not None and p.size]
        times = sorted(float(p.pts * p.time_base) for p in found)
        end = max(float((p.pts + p.duration) * p.time_base) for p in found)
        keys = [round(float(p.pts * p.time_base), 3) for p in found if p.is_keyframe]
        return stream.codec_context, times, end, keys


def test_a_full_size_film_gets_five_pictures_and_two_sounds(full):
    _folder, manifest = full
    assert [(one.name, one.width, one.height) for one in manifest.renditions if one.kind == "video"] == [
        ("lite", 640, 360),
        ("360", 640, 360),
        ("480", 854, 480),
        ("720", 1280, 720),
        ("1080", 1920, 1080),
    ]
    assert [one.name for one in manifest.renditions if one.kind == "audio"] == ["low", "high"]


def test_every_rendition_is_what_its_name_says_and_begins_its_segments_with_the_same_frames(full):
    folder, manifest = full
    first: list[float] = []
    for one in manifest.renditions:
        context, times, end, keys = packets((folder / one.playlist).parent)
        if one.kind == "audio":
            assert (context.name, context.channels if hasattr(context, "channels") else 1) == ("aac", 1)
            assert context.sample_rate == {"low": 16000, "high": 48000}[one.name]
            assert end - times[0] == pytest.approx(SECONDS, abs=2 * 1024 / context.sample_rate + 0.001)
            continue
        assert (context.name, context.width, context.height) == ("h264", one.width, one.height)
        assert context.pix_fmt == "yuv420p"
        assert [round(key - keys[0], 2) for key in keys] == [0, 2, 4, 6]
        assert end - times[0] == pytest.approx(SECONDS, abs=0.041)
        first = first or times
        assert times == first, f"{one.name} has other frames"


def test_the_bits_of_each_rung_stay_under_its_cap(full):
    _folder, manifest = full
    caps = {rung.name: rung.max_kbps for rung in ladder.RUNGS}
    for one in manifest.renditions:
        if one.kind == "video":
            assert one.average_bps / 1000 < caps[one.name] * 1.5, one


def test_the_master_begins_with_the_cheapest_and_rises_in_height(full):
    folder, manifest = full
    text = (folder / manifest.master).read_text()
    heights = [int(height) for height in re.findall(r"RESOLUTION=\d+x(\d+)", text)]
    assert heights == sorted(heights), "hls.js sorts by height before bit-rate"
    assert text.index("lite/index.m3u8") < text.index("360/index.m3u8") < text.index("1080/index.m3u8")
    assert "a-low/index.m3u8" not in re.findall(r"^[^#].*", text, re.MULTILINE), "sound alone is no variant"


def test_a_whispering_lecturer_is_as_loud_as_every_other(full):
    """Measured on the segments that learners hear, by a second program run and not from the manifest."""
    folder, manifest = full
    data = b"".join(
        (folder / "a-high" / name).read_bytes()
        for name in ["init.mp4", *sorted(path.name for path in (folder / "a-high").glob("*.m4s"))]
    )
    done = subprocess.run([PROGRAM, "-nostdin", "-hide_banner", "-i", "pipe:0", "-af", "ebur128=peak=true", "-f", "null", "-"], input=data, capture_output=True, check=True, timeout=60)  # fmt: skip
    summary = done.stderr.decode().rpartition("Summary:")[2]
    lufs = float(re.search(r"I:\s+(-?[\d.]+) LUFS", summary)[1])
    peak = float(re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)[1])
    assert lufs == pytest.approx(-16, abs=2)
    assert peak <= -1
    assert (manifest.loudness_lufs, manifest.peak_dbtp) == (
        pytest.approx(lufs, abs=0.3),
        pytest.approx(peak, abs=0.5),
    )


def test_silence_is_not_made_into_noise(tmp_path):
    quiet = make(tmp_path / "q.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2", "-f", "lavfi", "-i", "anullsrc=d=2", "-t", "2", "-preset", "ultrafast")  # fmt: skip
    manifest = video.transcode(quiet, tmp_path / "out")
    assert manifest.loudness_lufs is not None
    assert manifest.loudness_lufs <= -60


def test_every_size_can_be_taken_along_as_one_file_that_plays_at_once(full):
    folder, manifest = full
    for one in manifest.renditions:
        if one.kind == "audio":
            continue
        path = folder / one.file
        assert path.stat().st_size == one.file_bytes
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat"), "the index comes before the media"
        with av.open(str(path)) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio"]
            assert container.streams.video[0].height == one.height
            assert container.duration / av.time_base == pytest.approx(SECONDS, abs=0.1)


def test_the_track_of_thumbnails_names_pictures_that_are_there(full):
    folder, manifest = full
    track = (folder / manifest.thumbs).read_text()
    cues = re.findall(r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)", track)
    assert [cue[0] for cue in cues] == ["00:00:00.000", "00:00:05.000"]
    for _begin, _end, sheet, *box in cues:
        x, y, width, height = map(int, box)
        with av.open(str(folder / sheet)) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="gray")
        cut = picture[y : y + height, x : x + width]
        assert cut.shape == (height, width)
        assert cut.std() > 10, "a thumbnail is a picture and not an empty place"


def test_a_thumbnail_track_of_an_hour_spreads_over_sheets():
    track = thumbs_track(3600.0, every_s=5, size=(160, 90), grid=(10, 10), suffix="webp")
    cues = re.findall(r"thumbs-(\d+)\.webp#xywh=(\d+),(\d+)", track)
    assert len(cues) == 720
    assert (cues[0], cues[99], cues[100], cues[719]) == (
        ("01", "0", "0"), ("01", "1440", "810"), ("02", "0", "0"), ("08", "1440", "90"),
    )  # fmt: skip


def slides_film(path: Path, *, pointer: bool) -> Path:
    """Three slides of eight seconds each, of which the middle one may have a pointer wandering over it."""
    texts = [f"testsrc2=s=320x180:r=5:d=0.2,trim=end_frame=1,loop=loop=39:size=1,setpts=N/5/TB,hue=h={n * 120}:s={1 + n}" for n in range(3)]  # fmt: skip
    graph = ";".join(f"{text},negate=enable='{int(n == 1)}'[s{n}]" for n, text in enumerate(texts))
    graph += ";[s0][s1][s2]concat=n=3:v=1[all]"
    if pointer:
        graph += ";color=red:s=6x6:r=5:d=24[dot];[all][dot]overlay=x='40+8*t':y='60+4*sin(t)'[all2]"
    return make(path, "-filter_complex", graph + ";sine=d=24[a]", "-map", "[all2]" if pointer else "[all]", "-map", "[a]", "-preset", "ultrafast", "-pix_fmt", "yuv420p")  # fmt: skip


@pytest.mark.parametrize("pointer", [False, True])
def test_changes_of_slides_are_proposed_as_chapters_and_a_pointer_is_none(tmp_path, pointer):
    manifest = video.transcode(slides_film(tmp_path / "slides.mp4", pointer=pointer), tmp_path / "out")
    assert len(manifest.slides) == 2
    assert manifest.slides[0] == pytest.approx(8, abs=1)
    assert manifest.slides[1] == pytest.approx(16, abs=1)


def test_a_phone_film_upright_and_of_wandering_rate_keeps_its_length_and_its_sound(tmp_path):
    upright = make(tmp_path / "phone.mkv", "-f", "lavfi", "-i", "testsrc2=s=360x640:r=30:d=5", "-f", "lavfi", "-i", "sine=d=5", "-vf", "select='not(between(mod(n,30),7,13))',setpts='PTS+0.011*mod(N,4)/TB'", "-fps_mode", "vfr", "-preset", "ultrafast")  # fmt: skip
    manifest = video.transcode(upright, tmp_path / "out")
    assert (manifest.width, manifest.height) == (360, 640)
    _, times, end, keys = packets(tmp_path / "out" / "lite")
    steps = {Fraction(b - a).limit_denominator(200) for a, b in itertools.pairwise(times)}
    assert len({round(float(step), 3) for step in steps}) <= 2, "a steady rate, whatever the phone did"
    assert end - times[0] == pytest.approx(5, abs=0.1)
    assert len(keys) == 3
    _, sound_times, sound_end, _ = packets(tmp_path / "out" / "a-high")
    assert sound_end - sound_times[0] == pytest.approx(5, abs=0.1)


def test_a_manifest_of_an_earlier_release_is_still_read(full):
    _folder, manifest = full
    old = json.loads(manifest.to_json())
    for name in ("thumbs", "slides", "loudness_lufs", "peak_dbtp"):
        del old[name]
    for one in old["renditions"]:
        del one["file"], one["file_bytes"]
    read = Manifest.from_json(json.dumps(old))
    assert (read.slides, read.renditions[0].file) == ((), "")
