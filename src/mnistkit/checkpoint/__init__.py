"""The checkpoint file: safetensors with a JSON header, written whole or not at all, read without running code.

A *model* file holds the weights and all that is needed to use them: how to build the model, how to prepare an image,
what the classes are called, what was measured. A *training* file also holds what resuming needs. The format, and what a
reader promises, is in ``docs/checkpoints.md``.
"""

from mnistkit.checkpoint.file import FORMAT_VERSION as FORMAT_VERSION
from mnistkit.checkpoint.file import CheckpointFile as CheckpointFile
from mnistkit.checkpoint.file import load_model as load_model
from mnistkit.checkpoint.file import read_checkpoint as read_checkpoint
from mnistkit.checkpoint.file import write_checkpoint as write_checkpoint
from mnistkit.checkpoint.hub import hub_file as hub_file
from mnistkit.checkpoint.saved import Saved as Saved
from mnistkit.checkpoint.weights import load_weights as load_weights
from mnistkit.checkpoint.weights import require_fitting as require_fitting
from mnistkit.checkpoint.weights import require_sound as require_sound
