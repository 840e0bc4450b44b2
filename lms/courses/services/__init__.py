"""Acts on courses, lectures, videos and watch evidence."""

from lms.courses.services.addresses import check_media_token, media_token, player_session
from lms.courses.services.authoring import (
    add_course,
    add_lecture,
    add_module,
    edit_course,
    edit_lecture,
    publish_course,
    publish_lecture,
    withdraw_lecture,
)
from lms.courses.services.captions import (
    CAPTION_LANGS,
    CAPTIONS_LIMIT_BYTES,
    Cue,
    captions_text,
    cues,
    set_captions,
)
from lms.courses.services.evidence import Counted, beat, complete_if_watched
from lms.courses.services.videos import (
    FOLDERS,
    TRANSCODE,
    Examined,
    examine_video,
    fail_transcode,
    finish_transcode,
    receive_video,
    retry_transcode,
    start_transcode,
    uploaded_before,
)

__all__ = [
    "CAPTIONS_LIMIT_BYTES",
    "CAPTION_LANGS",
    "FOLDERS",
    "TRANSCODE",
    "Counted",
    "Cue",
    "Examined",
    "add_course",
    "add_lecture",
    "add_module",
    "beat",
    "captions_text",
    "check_media_token",
    "complete_if_watched",
    "cues",
    "edit_course",
    "edit_lecture",
    "examine_video",
    "fail_transcode",
    "finish_transcode",
    "media_token",
    "player_session",
    "publish_course",
    "publish_lecture",
    "receive_video",
    "retry_transcode",
    "set_captions",
    "start_transcode",
    "uploaded_before",
    "withdraw_lecture",
]
