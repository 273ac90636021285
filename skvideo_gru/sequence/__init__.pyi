from .classifier import GRUClassifier as GRUClassifier
from .scaling import FrameWise as FrameWise
