"""Evaluation: a report on a model, a comparison of two, repetition, how much a model can bear, how well pages are read."""

from mnistkit.evaluation.comparison import Comparison as Comparison
from mnistkit.evaluation.comparison import compare as compare
from mnistkit.evaluation.corruptions import CORRUPTIONS as CORRUPTIONS
from mnistkit.evaluation.corruptions import corrupt as corrupt
from mnistkit.evaluation.figures import ClassFigures as ClassFigures
from mnistkit.evaluation.figures import ConfusedPair as ConfusedPair
from mnistkit.evaluation.figures import Outcome as Outcome
from mnistkit.evaluation.inference import evaluate as evaluate
from mnistkit.evaluation.perturbations import PERTURBATIONS as PERTURBATIONS
from mnistkit.evaluation.perturbations import Perturbation as Perturbation
from mnistkit.evaluation.perturbations import perturb as perturb
from mnistkit.evaluation.profile import Curve as Curve
from mnistkit.evaluation.profile import Robustness as Robustness
from mnistkit.evaluation.profile import robustness as robustness
from mnistkit.evaluation.readings import PageOutcome as PageOutcome
from mnistkit.evaluation.readings import ReadingFigures as ReadingFigures
from mnistkit.evaluation.readings import ReadingReport as ReadingReport
from mnistkit.evaluation.readings import evaluate_reading as evaluate_reading
from mnistkit.evaluation.repetition import Repetition as Repetition
from mnistkit.evaluation.repetition import repeat as repeat
from mnistkit.evaluation.report import Report as Report
from mnistkit.evaluation.suspects import SuspectLabel as SuspectLabel
from mnistkit.evaluation.suspects import suspect_labels as suspect_labels
