"""Callbacks: progress, checkpoints, early stopping, logs, averaged weights, statistics of batch norm, recorders, limits."""

from mnistkit.callbacks.batch_norm import PreciseBatchNorm as PreciseBatchNorm
from mnistkit.callbacks.checkpoint import Checkpoint as Checkpoint
from mnistkit.callbacks.csv_logger import CSVLogger as CSVLogger
from mnistkit.callbacks.early_stopping import EarlyStopping as EarlyStopping
from mnistkit.callbacks.ema import EMA as EMA
from mnistkit.callbacks.limits import TargetReached as TargetReached
from mnistkit.callbacks.limits import TimeLimit as TimeLimit
from mnistkit.callbacks.recorders import KernelRecorder as KernelRecorder
from mnistkit.callbacks.recorders import PeriodicEvaluation as PeriodicEvaluation
from mnistkit.callbacks.tensorboard import TensorBoardLogger as TensorBoardLogger
from mnistkit.training.callback import Callback as Callback
from mnistkit.training.progress import ProgressBar as ProgressBar
