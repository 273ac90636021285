from .classifier import GRUClassifier as GRUClassifier
from .scaling import FrameWise as FrameWise
from .training_data import split_rows as split_rows
