"""mnistkit with its defaults: Trainer.fit, one epoch, evaluation; MNIST is inside the package."""

import json
import sys

from mnistkit import Trainer, create_model, load_mnist, seed_everything

seed_everything(int(sys.argv[2]))
train, _, test = load_mnist(validation=0)
trainer = Trainer(create_model("lenet5"))
trainer.fit(train, epochs=1)
print(json.dumps({"accuracy": trainer.evaluate(test).accuracy}))
