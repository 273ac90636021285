__version__: str

from .datasets import load_video_folder as load_video_folder
from .datasets import load_video_manifest as load_video_manifest
from .datasets import make_order_videos as make_order_videos
from .features import ResNet50FrameFeaturizer as ResNet50FrameFeaturizer
from .features import cache_contents as cache_contents
from .inspection import FilmStripDisplay as FilmStripDisplay
from .inspection import MistakesDisplay as MistakesDisplay
from .inspection import SearchDisplay as SearchDisplay
from .inspection import TrainingDisplay as TrainingDisplay
from .inspection import evaluation_report as evaluation_report
from .inspection import prediction_table as prediction_table
from .mlops import LiveClassifier as LiveClassifier
from .mlops import export_onnx as export_onnx
from .mlops import find_events as find_events
from .mlops import log_model as log_model
from .mlops import predict_timeline as predict_timeline
from .persistence import SKOPS_TRUSTED_TYPES as SKOPS_TRUSTED_TYPES
from .pipeline import VideoPipeline as VideoPipeline
from .pipeline import make_video_classifier as make_video_classifier
from .runs import tracked_run as tracked_run
from .selective import SelectiveClassifierCV as SelectiveClassifierCV
from .sequence import FrameWise as FrameWise
from .sequence import GRUClassifier as GRUClassifier
from .video import VideoClip as VideoClip
from .video import VideoDecodeError as VideoDecodeError
from .video import read_frames as read_frames
