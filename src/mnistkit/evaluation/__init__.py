"""Evaluation: a report on a model."""

from mnistkit.evaluation.figures import Calibration as Calibration
from mnistkit.evaluation.figures import CalibrationBin as CalibrationBin
from mnistkit.evaluation.figures import ClassFigures as ClassFigures
from mnistkit.evaluation.figures import ConfusedPair as ConfusedPair
from mnistkit.evaluation.figures import Outcome as Outcome
from mnistkit.evaluation.inference import evaluate as evaluate
from mnistkit.evaluation.report import Report as Report
