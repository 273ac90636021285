from .folders import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from .folders import find_videos as find_videos
from .folders import load_video_folder as load_video_folder
from .folders import load_video_manifest as load_video_manifest
from .folders import read_manifest as read_manifest
from .generated import make_order_videos as make_order_videos
from .splitting import has_groups as has_groups
from .splitting import split_videos as split_videos
