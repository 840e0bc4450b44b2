"""Real clips through the real ffmpeg: what is refused, what is made, and what is left when something dies."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import av
import ffmpeg
import pytest

from lms.core import video
from lms.core.video import Limits, Manifest, TranscodeFailed, TranscodeStopped, VideoRefused, ladder, process

PROGRAM = video.find_ffmpeg()
SINE = ("-f", "lavfi", "-i", "sine=f=300:d=4")


def make(path: Path, *arguments: str) -> Path:
    subprocess.run([PROGRAM, "-nostdin", "-v", "error", "-y", *arguments, str(path)], check=True, timeout=60)
    return path


def picture(size: str = "320x180", *, seconds: float = 4, rate: int = 25) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def good(clips: Path) -> Path:
    return make(
        clips / "good.mp4", *picture(), *SINE, "-preset", "ultrafast", "-g", "25", "-movflags", "+faststart"
    )


@pytest.fixture(scope="module")
def long(clips: Path) -> Path:
    """Heavy enough that a transcode takes some seconds."""
    return make(clips / "long.mp4", *picture("1280x720", seconds=40), "-f", "lavfi", "-i", "sine=d=40", "-preset", "ultrafast")  # fmt: skip


@pytest.fixture(scope="module")
def made(good: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest, list[float]]:
    folder = tmp_path_factory.mktemp("made")
    heard: list[float] = []
    return folder, video.transcode(good, folder, on_progress=heard.append), heard


def refused(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(VideoRefused) as refusal:
        video.probe(path, limits=limits)
    return refusal.value.code


def demuxed(folder: Path) -> tuple[list[float], list[float]]:
    """Presentation times of all packets and of the keyframes of a rendition."""
    parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
    with av.open(io.BytesIO(b"".join(part.read_bytes() for part in parts)), "r", format="mp4") as container:
        packets = [p for p in container.demux(container.streams[0]) if p.pts is not None and p.size]
        times = sorted(float(p.pts * p.time_base) for p in packets)
        return times, [float(p.pts * p.time_base) for p in packets if p.is_keyframe]


def running(text: str) -> list[int]:
    """Processes whose command line holds ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


# ---- the doorman --------------------------------------------------------------------------------------------------


def test_the_name_ffmpeg_belongs_to_ffmpeg_python() -> None:
    """Three other packages install a module of the same name."""
    assert ffmpeg.compile.__module__ == "ffmpeg._run"


def test_a_setting_that_points_nowhere_is_not_replaced_in_silence() -> None:
    with pytest.raises(TranscodeFailed) as failure:
        video.find_ffmpeg("/nowhere/ffmpeg")
    assert failure.value.code == "no_ffmpeg"


def test_without_setting_and_path_the_wheel_brings_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "imageio_ffmpeg" in video.find_ffmpeg()


# ---- what is refused ----------------------------------------------------------------------------------------------


def test_a_good_film_is_known_before_it_is_made(good: Path) -> None:
    found = video.probe(good)
    assert (found.width, found.height, found.video_codec, found.audio_codec) == (320, 180, "h264", "aac")
    assert found.duration_s == pytest.approx(4, abs=0.1)
    assert found.steady_rate == 25


def test_a_portrait_film_of_a_phone_is_measured_as_it_is_shown(good: Path, clips: Path) -> None:
    turned = clips / "turned.mp4"
    if subprocess.run([PROGRAM, "-nostdin", "-v", "error", "-y", "-display_rotation", "90", "-i", str(good), "-c", "copy", str(turned)], check=False).returncode:  # fmt: skip
        make(turned, "-i", str(good), "-c", "copy", "-metadata:s:v:0", "rotate=90")  # ffmpeg 5 and older
    found = video.probe(turned)
    assert (found.width, found.height) == (180, 320)


@pytest.mark.parametrize(("stated", "steady"), [(59.94, "30000/1001"), (60, "30"), (29.7, "30000/1001"), (25.1, "25"), (4, "10"), (12.4, "25/2"), (120, "30")])  # fmt: skip
def test_every_source_gets_a_usual_steady_rate(good: Path, stated: float, steady: str) -> None:
    found = video.probe(good)
    assert str(type(found)(**{**{f: getattr(found, f) for f in found.__slots__}, "frames_per_s": stated}).steady_rate) == steady  # fmt: skip


def test_an_empty_file_is_refused(clips: Path) -> None:
    (clips / "empty.mp4").write_bytes(b"")
    assert refused(clips / "empty.mp4") == "empty"


def test_a_text_named_mp4_is_refused(clips: Path) -> None:
    (clips / "text.mp4").write_text("Dear colleagues, the lecture is attached.\n" * 50)
    assert refused(clips / "text.mp4") == "unknown_container"


def test_noise_is_refused(clips: Path) -> None:
    (clips / "noise.mp4").write_bytes(hashlib.shake_256(b"noise").digest(50_000))
    assert refused(clips / "noise.mp4") == "unknown_container"


def test_a_film_without_sound_is_refused_unless_silence_is_allowed(clips: Path) -> None:
    silent = make(clips / "silent.mp4", *picture(seconds=2), "-preset", "ultrafast")
    assert refused(silent) == "no_audio"
    assert video.probe(silent, limits=Limits(needs_audio=False)).audio_index is None


def test_sound_without_a_picture_is_refused(clips: Path) -> None:
    assert refused(make(clips / "sound.m4a", *SINE)) == "no_video"


def test_a_cover_picture_makes_no_film(clips: Path) -> None:
    cover = make(clips / "cover.png", *picture(seconds=0.04), "-frames:v", "1")
    song = make(clips / "song.mp3", *SINE, "-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic")  # fmt: skip
    assert refused(song) == "no_video"


def test_a_film_cut_in_the_middle_is_refused_though_its_header_is_whole(good: Path, clips: Path) -> None:
    whole = good.read_bytes()
    (clips / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert refused(clips / "cut.mp4") == "truncated"


def test_a_film_without_its_index_is_refused_as_cut(clips: Path) -> None:
    late = make(clips / "late.mp4", *picture(), *SINE, "-preset", "ultrafast")
    (clips / "late-cut.mp4").write_bytes(late.read_bytes()[:-9000])
    assert refused(clips / "late-cut.mp4") == "truncated"


@pytest.mark.parametrize("name", ["steal.m3u8", "steal.mp4", "steal.bin"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{victim}\n#EXT-X-ENDLIST\n",
        "\ufeff  #EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:1/x.ts\n",
        "ffconcat version 1.0\nfile '{victim}'\n",
        "file '{victim}'\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file://{victim}</BaseURL></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_a_playlist_that_names_another_lecture_is_refused(
    good: Path, clips: Path, name: str, text: str
) -> None:
    (clips / name).write_text(text.format(victim=good))
    assert refused(clips / name) == "names_other_files"


def test_a_playlist_that_slips_past_the_first_look_is_still_not_followed(good: Path, clips: Path) -> None:
    """The list of formats, not the look at the first bytes, is what keeps a stranger's lecture closed."""
    disguised = clips / "disguised.mp4"
    disguised.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{good}\n#EXT-X-ENDLIST\n")
    facts = video.probe(good)
    (clips / "work").mkdir(exist_ok=True)
    command = ladder.encode(disguised, facts, ladder.plan(facts), program=PROGRAM, max_pixels=9_000_000)
    done = subprocess.run(command, cwd=clips, capture_output=True, check=False, timeout=30)
    assert done.returncode != 0
    assert not any(path.stat().st_size for path in (clips / "work").iterdir())


def test_huge_pictures_are_refused_before_they_are_unpacked(clips: Path) -> None:
    huge = make(clips / "huge.mkv", *picture("5120x2880", seconds=0.08), "-c:v", "mpeg4")
    assert refused(huge) == "too_many_pixels"


def test_limits_of_length_and_size_are_kept(good: Path) -> None:
    assert refused(good, Limits(max_duration_s=3)) == "too_long"
    assert refused(good, Limits(min_duration_s=5)) == "too_short"
    assert refused(good, Limits(max_bytes=1000)) == "too_large"
    assert refused(good, Limits(max_streams=1)) == "too_many_streams"


def test_a_few_frames_that_claim_days_are_refused(clips: Path) -> None:
    endless = make(clips / "endless.mkv", *picture(seconds=0.2), "-vf", "setpts=N*36000/TB", "-fps_mode", "passthrough", "-preset", "ultrafast")  # fmt: skip
    assert endless.stat().st_size < 100_000
    assert refused(endless) == "too_long"


def test_a_recording_of_a_browser_that_states_no_length_is_measured(clips: Path) -> None:
    piped = clips / "piped.webm"
    with piped.open("wb") as target:
        subprocess.run([PROGRAM, "-nostdin", "-v", "error", *picture(seconds=3), *SINE, "-t", "3", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-f", "webm", "-"], stdout=target, check=True)  # fmt: skip
    assert video.probe(piped).duration_s == pytest.approx(3, abs=0.15)


def test_every_reason_has_a_sentence() -> None:
    assert all(video.reason(code).endswith(".") for code in video.REASONS)
    assert video.reason("never heard of") == video.reason("unreadable")


def test_the_sample_lectures_pass_the_door_and_stay_small() -> None:
    folder = Path(video.__file__).parents[2] / "samples" / "lectures"
    lectures = json.loads((folder / "lectures.json").read_text("utf-8"))
    assert len(lectures) == 3
    for lecture in lectures:
        film = folder / lecture["video"]
        assert film.stat().st_size < 1_500_000
        assert video.probe(film).duration_s == pytest.approx(lecture["duration_s"], abs=0.2)
        for name in lecture["captions"].values():
            text = (folder / name).read_text("utf-8")
            assert text.startswith("WEBVTT")
            assert "Sample content, not clinically reviewed" in text
    assert sum(lecture["duration_s"] for lecture in lectures) < 100


# ---- what is made -------------------------------------------------------------------------------------------------


def test_progress_rises_from_nothing_to_all(made: tuple[Path, Manifest, list[float]]) -> None:
    _, _, heard = made
    assert heard[0] == 0
    assert heard[-1] == 1
    assert all(before < after for before, after in pairwise(heard))


def test_a_small_film_gets_no_rung_above_itself(made: tuple[Path, Manifest, list[float]]) -> None:
    _, manifest, _ = made
    assert [(one.name, one.width, one.height) for one in manifest.renditions if one.kind == "video"] == [
        ("lite", 320, 180),
        ("180", 320, 180),
    ]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), ["lite 640x360", "360 640x360", "480 854x480", "720 1280x720", "1080 1920x1080"]),
        ((1280, 720), ["lite 640x360", "360 640x360", "480 854x480", "720 1280x720"]),
        ((960, 540), ["lite 640x360", "360 640x360", "480 854x480"]),
        ((1066, 600), ["lite 640x360", "360 640x360", "480 852x480", "600 1066x600"]),
        ((656, 368), ["lite 642x360", "360 642x360"]),
        ((1080, 1920), ["lite 360x640", "360 360x640", "480 480x854", "720 720x1280", "1080 1080x1920"]),
        ((321, 181), ["lite 320x180", "181 320x180"]),
    ],
)
def test_the_ladder_fits_its_source(good: Path, size: tuple[int, int], expected: list[str]) -> None:
    found = video.probe(good)
    fitted = type(found)(
        **{**{f: getattr(found, f) for f in found.__slots__}, "width": size[0], "height": size[1]}
    )
    assert [f"{one.name} {one.width}x{one.height}" for one in ladder.plan(fitted)] == expected


def test_segments_of_all_renditions_begin_with_the_same_frames(
    made: tuple[Path, Manifest, list[float]],
) -> None:
    folder, _, _ = made
    lite, best = (demuxed(folder / name) for name in ("lite", "180"))
    assert lite[1] == best[1]
    assert [round(at - lite[1][0], 3) for at in lite[1]] == [0, 2]
    assert lite[0] == best[0]
    for name in ("lite", "180"):
        for number in range(2):
            part = folder / name / f"{number:04d}.m4s"
            whole = io.BytesIO((folder / name / "init.mp4").read_bytes() + part.read_bytes())
            with av.open(whole, "r", format="mp4") as container:
                first = next(p for p in container.demux(container.streams.video[0]) if p.size)
                assert first.is_keyframe, part


def test_sound_and_picture_begin_and_end_together(made: tuple[Path, Manifest, list[float]]) -> None:
    folder, manifest, _ = made
    picture_times, _ = demuxed(folder / "lite")
    for name, frame_s in (("a-low", 1024 / 16000), ("a-high", 1024 / 48000)):
        sound_times, _ = demuxed(folder / name)
        assert sound_times[0] + frame_s == pytest.approx(picture_times[0], abs=0.005)  # one frame of priming
        assert sound_times[-1] + frame_s == pytest.approx(picture_times[-1] + 0.04, abs=frame_s + 0.03)
    assert manifest.seconds == 4


def test_the_master_starts_with_the_cheapest_and_states_what_was_measured(
    made: tuple[Path, Manifest, list[float]],
) -> None:
    folder, manifest, _ = made
    text = (folder / manifest.master).read_text()
    streams = [line for line in text.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    playlists = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert playlists == ["lite/index.m3u8", "180/index.m3u8"]
    heaviest = max(path.stat().st_size * 8 / 2 for path in (folder / "lite").glob("*.m4s"))
    sound = next(one for one in manifest.renditions if one.name == "low")
    assert f"BANDWIDTH={round(heaviest) + sound.peak_bps}," in streams[0]
    assert 'CODECS="avc1.4d40' in streams[0]
    assert all('AUDIO="low"' in line for line in streams)


def test_the_manifest_travels_as_text_and_everything_it_names_is_there(
    made: tuple[Path, Manifest, list[float]],
) -> None:
    folder, manifest, _ = made
    assert Manifest.load(folder) == manifest
    named = [manifest.master, manifest.video_file, manifest.audio_file, manifest.poster]
    named += [one.playlist for one in manifest.renditions]
    assert all((folder / name).stat().st_size for name in named)
    assert not (folder / "work").exists()
    assert manifest.mb_per_10_min("lite") > 0


def test_whole_files_play_without_a_script(made: tuple[Path, Manifest, list[float]]) -> None:
    folder, manifest, _ = made
    with av.open(str(folder / manifest.video_file)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(4, abs=0.1)
    data = (folder / manifest.video_file).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_film_gives_the_same_bytes_even_over_the_rests_of_a_dead_attempt(
    good: Path, made: tuple[Path, Manifest, list[float]], tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "v-lite.mp4").write_bytes(b"half")
    (tmp_path / "lite").mkdir()
    (tmp_path / "lite" / "9999.m4s").write_bytes(b"rest")
    video.transcode(good, tmp_path)
    first, second = ({str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (made[0], tmp_path))  # fmt: skip
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_the_ffmpeg_of_the_wheel_makes_the_same_ladder(good: Path, tmp_path: Path) -> None:
    import imageio_ffmpeg

    manifest = video.transcode(good, tmp_path, ffmpeg=imageio_ffmpeg.get_ffmpeg_exe())
    assert [one.name for one in manifest.renditions] == ["lite", "180", "low", "high"]


def test_a_silent_portrait_film_with_odd_sides_and_a_wandering_rate_is_made(
    clips: Path, tmp_path: Path
) -> None:
    odd = make(clips / "odd.mkv", *picture("182x322", seconds=3), "-vf", "crop=181:321:exact=1,setpts='PTS+0.013*mod(N,3)/TB'", "-fps_mode", "vfr", "-pix_fmt", "yuv444p", "-preset", "ultrafast")  # fmt: skip
    manifest = video.transcode(odd, tmp_path, limits=Limits(needs_audio=False))
    assert [(one.name, one.width, one.height) for one in manifest.renditions] == [
        ("lite", 180, 320),
        ("181", 180, 320),
    ]
    assert manifest.audio_file == ""
    assert "AUDIO" not in (tmp_path / manifest.master).read_text()


def test_the_place_and_time_of_the_phone_are_not_published(good: Path, clips: Path, tmp_path: Path) -> None:
    tagged = make(clips / "tagged.mp4", "-i", str(good), "-c", "copy", "-metadata", "location=+31.2304+121.4737/", "-metadata", "comment=Zhang San", "-movflags", "use_metadata_tags")  # fmt: skip
    assert b"+31.2304" in tagged.read_bytes()
    video.transcode(tagged, tmp_path)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"+31.2304" not in everything
    assert b"Zhang San" not in everything


# ---- what is left when something dies -----------------------------------------------------------------------------


def test_a_stop_in_the_middle_leaves_nothing(long: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    began = time.monotonic()
    with pytest.raises(TranscodeStopped):
        video.transcode(long, tmp_path, on_progress=heard.append, should_stop=lambda: bool(heard[2:]))
    assert 0 < max(heard) < 0.92
    assert list(tmp_path.iterdir()) == []
    assert running(str(long)) == []
    assert time.monotonic() - began < 15


def test_a_film_that_takes_too_long_is_given_up(long: Path, tmp_path: Path) -> None:
    class Hasty(Limits):
        def encode_wall_s(self, duration_s: float) -> float:
            return 1.0

    with pytest.raises(TranscodeFailed) as failure:
        video.transcode(long, tmp_path, limits=Hasty())
    assert failure.value.code == "timeout"
    assert list(tmp_path.iterdir()) == []
    assert running(str(long)) == []


def test_what_a_program_left_behind_dies_with_it(tmp_path: Path) -> None:
    bounds = process.Bounds(wall_s=2, cpu_s=5, memory_bytes=1 << 30, file_bytes=1 << 20)
    leaves = ["/bin/sh", "-c", f"sleep 3217.125 & echo $! > {tmp_path / 'pid'}"]  # and it holds the pipes
    with pytest.raises(TranscodeFailed) as failure:
        process.run(leaves, bounds=bounds)
    assert failure.value.code == "timeout"
    left = int((tmp_path / "pid").read_text())
    for _moment in range(50):  # whoever adopts it may take a moment to bury it
        if not running("3217.125"):
            break
        time.sleep(0.1)
    assert running("3217.125") == [], left


def test_memory_is_bounded(good: Path, tmp_path: Path) -> None:
    with pytest.raises(TranscodeFailed):
        video.transcode(good, tmp_path, limits=Limits(encode_memory_bytes=64 << 20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_worker_killed_outright_leaves_no_ffmpeg_and_no_manifest(long: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    script = "import sys\nfrom pathlib import Path\nfrom lms.core import video\nvideo.transcode(Path(sys.argv[1]), Path(sys.argv[2]), on_progress=lambda share: print(share, flush=True))"  # fmt: skip
    worker = subprocess.Popen([sys.executable, "-c", script, str(long), str(target)], stdout=subprocess.PIPE)
    assert worker.stdout
    with worker, worker.stdout as told:
        while float(told.readline() or "1") == 0:
            pass
        assert running(f"file:{long}")
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)
    deadline = time.monotonic() + 5
    while running(f"file:{long}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(f"file:{long}") == []
    assert not (target / "manifest.json").exists()
    assert not (target / "master.m3u8").exists()
    shutil.rmtree(target)
