"""Every plot of mnistkit, of a quickly trained network, as pictures in a folder; what docs/plots.md describes.

python examples/plots_gallery.py --output plots --theme dark
"""

import argparse
from pathlib import Path

from mnistkit import CSVLogger, Trainer, create_model, evaluate, load_mnist, plots, seed_everything
from mnistkit.callbacks import KernelRecorder
from mnistkit.interpret import smallest_edit
from mnistkit.models import convnet
from mnistkit.training import History, find_learning_rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("plots"))
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=6000, help="to train on")
    parser.add_argument("--points", type=int, default=800, help="in the embedding maps, and to validate on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    seed_everything(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    train, validation, _ = load_mnist()
    train, validation = train[: options.images], validation[: options.points]

    # Two runs to compare, and the kernels of one as they form.
    model, recorder = convnet(), KernelRecorder("conv.0", every=max(1, options.images // 640))
    log = CSVLogger(options.output / "convnet.csv", overwrite=True)
    trainer = Trainer(model, lr=0.002, callbacks=[recorder, log], device="cpu", seed=options.seed)
    sweep = find_learning_rate(trainer, train, steps=60)
    trainer.fit(train, validation, epochs=options.epochs)
    other = Trainer(create_model("mlp"), lr=0.002, device="cpu", seed=options.seed)
    runs: dict[str, History | Path] = {"convnet": log.path, "mlp": other.fit(train, validation, epochs=options.epochs)}

    report = evaluate(model, validation)
    print(report)
    images, labels = validation.preprocessing.normalize(validation.images), validation.labels
    edits = [
        smallest_edit(model, validation.images[labels == label][0], target, validation.preprocessing, steps=60)
        for label, target in ((1, 7), (4, 9))
    ]

    theme = options.theme
    figures = {
        "sample_grid": plots.sample_grid(train, theme=theme),
        "prediction_grid": plots.prediction_grid(validation, report.predictions, theme=theme),
        "training_curves": plots.training_curves(runs, theme=theme),
        "error_curve": plots.training_curves(runs, measures=["error"], theme=theme),
        "learning_rate_sweep": plots.learning_rate_sweep(sweep, theme=theme),
        "confusion_matrix": plots.confusion_matrix(report, theme=theme),
        "reliability_diagram": plots.reliability_diagram(report, theme=theme),
        "kernels_1": plots.kernels(model, "conv.0", theme=theme),
        "kernels_2": plots.kernels(model, "conv.3", theme=theme),
        "feature_maps_1": plots.feature_maps(model, images[0], "conv.0", theme=theme),
        "feature_maps_2": plots.feature_maps(model, images[0], "conv.5", theme=theme),
        "kernel_evolution": plots.kernel_evolution(recorder.kernels, recorder.steps, theme=theme),
        "weight_histograms": plots.weight_histograms(model, theme=theme),
        "activation_functions": plots.activation_functions(theme=theme),
        "softmax_curves": plots.softmax_curves(theme=theme),
        "softmax_bars": plots.softmax_bars(model(images[:1])[0], theme=theme),
        "attribution_maps": plots.attribution_maps(model, images[:3], theme=theme),
        "smallest_edits": plots.smallest_edits(edits, theme=theme),
        "embedding_pca": plots.embedding_map(model, validation, theme=theme),
        "embedding_tsne": plots.embedding_map(model, validation, method="tsne", theme=theme),
        "architecture": plots.architecture(create_model("lenet5"), theme=theme),
    }
    for name, figure in figures.items():
        figure.savefig(options.output / f"{name}.png")
    plots.save_kernel_animation(options.output / "kernels.gif", recorder.kernels, recorder.steps, theme=theme)
    print(f"{len(figures)} pictures and an animation are in {options.output}")


if __name__ == "__main__":
    main()
