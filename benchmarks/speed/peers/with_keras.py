"""Keras 3 as in its own MNIST example: arrays from the downloaded mnist.npz, divided by 255, compile, fit, evaluate. Batch 64,
Adam 0.001, no validation split, so that it too trains on all 60,000 images. The backend is KERAS_BACKEND's.
"""

import json
import sys

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(sys.argv[2]))
with np.load(f"{sys.argv[1]}/mnist.npz") as arrays:
    x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
x, x_test = (np.expand_dims(part.astype("float32") / 255, -1) for part in (x, x_test))
model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(120, activation="relu"), layers.Dense(84, activation="relu"), layers.Dense(10, activation="softmax"),
    ]
)  # fmt: skip
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=1)
print()
print(json.dumps({"accuracy": model.evaluate(x_test, y_test, verbose=0)[1]}))
