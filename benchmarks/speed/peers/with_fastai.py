"""fastai as in its own MNIST tutorial: the PNG files of untar_data(URLs.MNIST) in ImageDataLoaders (grey, its default batch 64
and workers), Learner with its default optimizer, fit_one_cycle for one epoch at its default rate.
"""

import json
import sys

from fastai.vision.all import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    GrandparentSplitter,
    ImageBlock,
    Learner,
    PILImageBW,
    accuracy,
    get_image_files,
    parent_label,
    set_seed,
)
from lenet import lenet5

if __name__ == "__main__":
    set_seed(int(sys.argv[2]))
    block = DataBlock(
        blocks=(ImageBlock(cls=PILImageBW), CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("training", "testing"),
        get_y=parent_label,
    )
    loaders = block.dataloaders(f"{sys.argv[1]}/mnist_png")
    learner = Learner(loaders, lenet5(), loss_func=CrossEntropyLossFlat(), metrics=accuracy)
    learner.fit_one_cycle(1)
    print()
    print(json.dumps({"accuracy": float(learner.recorder.values[-1][-1])}))
