"""Training: the Trainer, the callback protocol, learning-rate schedules."""

from mnistkit.training.callback import HOOKS as HOOKS
from mnistkit.training.callback import Callback as Callback
from mnistkit.training.loading import Data as Data
from mnistkit.training.losses import Loss as Loss
from mnistkit.training.lr_finder import LearningRateSweep as LearningRateSweep
from mnistkit.training.lr_finder import find_learning_rate as find_learning_rate
from mnistkit.training.optimizers import OptimizerFactory as OptimizerFactory
from mnistkit.training.optimizers import OptimizerName as OptimizerName
from mnistkit.training.optimizers import list_optimizers as list_optimizers
from mnistkit.training.schedules import Constant as Constant
from mnistkit.training.schedules import Cosine as Cosine
from mnistkit.training.schedules import OneCycle as OneCycle
from mnistkit.training.schedules import Schedule as Schedule
from mnistkit.training.schedules import Warmup as Warmup
from mnistkit.training.state import History as History
from mnistkit.training.state import TrainState as TrainState
from mnistkit.training.torch_scheduler import TorchScheduler as TorchScheduler
from mnistkit.training.trainer import Trainer as Trainer
