from .caching import cache_contents as cache_contents
from .caching import prune as prune
from .caching import remove_unfinished as remove_unfinished
from .extraction import digest_videos as digest_videos
from .extraction import video_progress as video_progress
from .featurizer import ResNet50FrameFeaturizer as ResNet50FrameFeaturizer
from .reading import FrameReader as FrameReader
from .reading import reading_options as reading_options
