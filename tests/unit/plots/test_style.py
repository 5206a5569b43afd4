"""What holds for every plot: themes, given axes, no global state, nothing cut off."""

import functools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from mnistkit import evaluate, plots
from mnistkit._core.style import look_of, percent
from mnistkit.errors import ConfigError, MissingExtraError
from mnistkit.interpret import Edit
from mnistkit.training import LearningRateSweep

SWEEP = LearningRateSweep((1e-3, 1e-2, 1e-1), (2.0, 1.0, 3.0), (2.0, 1.0, 3.0), 1e-2)

#: Each plot, and how many axes it draws on.
PLOTS = {
    "sample_grid": (lambda run, **options: plots.sample_grid(run.test, **options), 1),
    "prediction_grid": (lambda run, **options: plots.prediction_grid(run.test, run.logits.argmax(1), **options), 1),
    "training_curves": (lambda run, **options: plots.training_curves({"a": run.history, "b": run.history}, **options), 2),
    "learning_rate_sweep": (lambda run, **options: plots.learning_rate_sweep(SWEEP, **options), 1),
    "confusion_matrix": (lambda run, **options: plots.confusion_matrix(evaluate(run.model, run.test), **options), 1),
    "reliability_diagram": (lambda run, **options: plots.reliability_diagram(evaluate(run.model, run.test), **options), 1),
    "embedding_map": (lambda run, **options: plots.embedding_map(run.model, run.test, **options), 1),
    "kernels": (lambda run, **options: plots.kernels(run.model, "conv.3", **options), 1),
    "feature_maps": (lambda run, **options: plots.feature_maps(run.model, run.images[0], "conv.0", **options), 1),
    "kernel_evolution": (lambda run, **options: plots.kernel_evolution(run.recorder.kernels, run.recorder.steps, **options), 1),
    "weight_histograms": (lambda run, **options: plots.weight_histograms(run.model, **options), 4),
    "activation_functions": (lambda run, **options: plots.activation_functions(**options), 2),
    "softmax_curves": (lambda run, **options: plots.softmax_curves(**options), 1),
    "softmax_bars": (lambda run, **options: plots.softmax_bars(run.logits[0], **options), 2),
    "attribution_maps": (lambda run, **options: plots.attribution_maps(run.model, run.images[:1], **options), 4),
    "smallest_edits": (
        lambda run, **options: plots.smallest_edits(Edit(run.test.images[0], run.test.images[1], 1, 7, 0.9, 0.5), **options),
        3,
    ),
    "architecture": (lambda run, **options: plots.architecture(run.model, **options), 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def drawing(run):
    """Each plot in a theme, drawn once; and what that has changed of matplotlib's settings and of what is imported."""

    def draw(name, theme):
        before, modules = _settings(), set(sys.modules)
        figure = PLOTS[name][0](run, theme=theme)
        return figure, {key for key, value in _settings().items() if before[key] != value} | set(sys.modules) - modules

    return functools.cache(draw)


@pytest.fixture(scope="module")
def drawn(drawing):
    return lambda name, theme: drawing(name, theme)[0]


def _settings():
    # Merely reading the backend would make matplotlib choose one, and import pyplot.
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}


every_plot = pytest.mark.parametrize("name", sorted(PLOTS))


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_plot_is_here():
    functions = {name for name in vars(plots) if callable(getattr(plots, name)) and name.islower() and name[0] != "_"}
    assert functions - {"save_kernel_animation"} == set(PLOTS)


@every_plot
def test_every_text_can_be_read_on_its_theme(drawn, name):
    for theme in ("light", "dark"):
        figure = drawn(name, theme)
        paper = look_of(theme).paper
        assert to_hex(figure.get_facecolor()) == paper
        for ax in figure.axes:
            words = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
            words += [text for text in ax.texts if name != "confusion_matrix"]
            for text in words:
                assert contrast(text.get_color(), paper) >= 4.4 or not text.get_text(), text


@every_plot
def test_nothing_is_cut_off(drawn, name):
    figure = drawn(name, "light")
    figure.draw_without_rendering()
    whole = figure.bbox.padded(2)
    bars = [bar for ax in figure.axes for bar in ax.child_axes]
    for ax in [*figure.axes, *bars]:
        words = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()]
        for text in words:
            if text.get_text() and text.get_visible():
                box = text.get_window_extent()
                inside = whole.contains(*box.min) and whole.contains(*box.max)
                # A tick beyond the limits has a label that is never drawn.
                beyond = text in (*ax.get_xticklabels(), *ax.get_yticklabels()) and not _is_drawn(ax, text)
                assert inside or beyond, text


def _is_drawn(ax, label):
    axis, place = (ax.xaxis, 0) if label in ax.get_xticklabels() else (ax.yaxis, 1)
    low, high = sorted(axis.get_view_interval())
    return low <= label.get_position()[place] <= high


@every_plot
def test_given_axes_are_drawn_on_and_their_figure_is_returned(run, name):
    draw, count = PLOTS[name]
    figure = Figure(figsize=(8, 6))
    if count == 1:
        ax, untouched = figure.subplots(1, 2)
        assert draw(run, ax=ax) is figure
        drawn = [ax]
    else:
        grid = figure.subplots(2, 3)
        assert draw(run, axes=grid) is figure
        drawn, untouched = list(grid.flat[:count]), grid.flat[-1]
    for ax in drawn:
        assert ax.lines or ax.images or ax.patches or ax.collections
    assert not [*untouched.lines, *untouched.images, *untouched.patches]
    # The figure is the caller's own.
    assert to_hex(figure.get_facecolor()) == to_hex(matplotlib.rcParams["figure.facecolor"])


@pytest.mark.parametrize("name", [name for name, (_, count) in PLOTS.items() if count > 1])
def test_too_few_axes_are_refused(run, name):
    draw, count = PLOTS[name]
    with pytest.raises(ConfigError, match=f"got {count - 1} axes, expected {count}"):
        draw(run, axes=list(np.ravel(Figure().subplots(1, count - 1))))


def test_axes_in_a_subfigure_give_the_figure_around_it():
    figure = Figure()
    left, _ = figure.subfigures(1, 2)
    assert plots.softmax_curves(ax=left.subplots()) is figure


def test_an_unknown_theme_is_refused(run):
    for draw, _ in PLOTS.values():
        with pytest.raises(ConfigError, match="unknown theme 'drak'; did you mean 'dark'"):
            draw(run, theme="drak")


@every_plot
def test_neither_pyplot_nor_the_settings_are_touched(drawing, name):
    figure, changed = drawing(name, "light")
    assert changed & {"matplotlib.pyplot", *_settings()} == set()
    assert isinstance(figure, Figure)
    assert figure.canvas.manager is None  # no window of pyplot's


@pytest.mark.processes
def test_a_fresh_process_draws_without_pyplot(tmp_path):
    program = """
import sys, torch
from mnistkit import create_model, load_mnist, plots
assert not any(name.startswith(("matplotlib", "sklearn")) for name in sys.modules)
model, test = create_model("convnet"), load_mnist().test[:30]
plots.sample_grid(test).savefig(sys.argv[1] + "/grid.png")
plots.kernels(model, "conv.3").savefig(sys.argv[1] + "/kernels.svg")
plots.embedding_map(model, test, method="tsne").savefig(sys.argv[1] + "/map.png")
plots.save_kernel_animation(sys.argv[1] + "/kernels.gif", [torch.rand(2, 1, 3, 3)] * 3, [0, 1, 2])
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=200)
    assert done.stdout == "False\n", done.stderr
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("style", ["dark_background", "ggplot"])
def test_a_style_of_the_users_does_not_make_texts_unreadable(run, style):
    import matplotlib.style

    with matplotlib.style.context(style):
        figure = PLOTS["training_curves"][0](run)
        ax = figure.axes[0]
        colours = [
            ax.xaxis.label.get_color(),
            ax.get_xticklabels()[0].get_color(),
            ax.get_legend().get_texts()[0].get_color(),
        ]
    assert to_hex(ax.get_facecolor()) == to_hex(figure.get_facecolor()) == look_of("light").paper
    assert all(contrast(colour, look_of("light").paper) > 4.5 for colour in colours)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_lines_stand_out_from_the_paper_and_from_each_other(theme):
    look = look_of(theme)
    assert contrast(look.text, look.paper) > 7
    assert contrast(look.faint, look.paper) > 4.5
    assert all(contrast(colour, look.paper) > 3 for colour in (*look.lines, look.wrong))
    assert len(set(look.lines)) == len(look.lines)


# Machado, Oliveira, Fernandes 2009: what is left of linear RGB without one kind of cone.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("kind", sorted(BLIND))
def test_the_first_colours_differ_for_the_colour_blind(theme, kind):
    """Distance in linear RGB; two that look alike to everybody are below 0.02."""
    colours = np.array([to_rgb(colour) for colour in look_of(theme).lines[:3]])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(BLIND[kind]).T, 0, 1)
    distances = [np.linalg.norm(seen[a] - seen[b]) for a in range(3) for b in range(a)]
    assert min(distances) > 0.1


def test_without_matplotlib_the_pip_line_is_said(monkeypatch, run):
    for module in [module for module in sys.modules if module.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    said = r"mnistkit.plots needs matplotlib, .*: pip install 'mnistkit\[plot\]'"
    for draw, _ in PLOTS.values():
        with pytest.raises(MissingExtraError, match=said):
            draw(run)


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "100%"), (0.9999, ">99%"), (0.99, "99%"), (0.004, "<1%"), (0.0, "0%"), (0.5, "50%")]
)
def test_certainty_is_not_claimed_where_there_is_none(probability, text):
    assert percent(probability) == text
