from .classifier import GRUClassifier as GRUClassifier
from .scaling import FrameWise as FrameWise
from .training_data import MISSING_REPORTED as MISSING_REPORTED
from .training_data import check_fit_arguments as check_fit_arguments
from .training_data import split_rows as split_rows
from .weighting import weighted_rows as weighted_rows
