"""What every registered model promises."""

import inspect
import re
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mnistkit.checkpoint import CheckpointFile, load_model, write_checkpoint
from mnistkit.errors import DataError
from mnistkit.models import create_model, list_models, model_factory, model_spec, summary

# Parameters and multiply-adds: the numbers of the tutorials, papers and examples that the models come from, and those
# of lenet1, lenet4, example_cnn, fast_cnn, handwriting_cnn, softmax_regression and vgg_cnn worked out by hand.
SIZES = {
    "convnet": (207_258, 441_024),
    "digit_cnn": (1_007_590, 1_329_000),
    "example_cnn": (1_199_882, 26 * 26 * 9 * 32 + 24 * 24 * 9 * 32 * 64 + 9216 * 128 + 1280),
    "fast_cnn": (105_498, 10**2 * 36 * 16 + 8**2 * 9 * 16 * 24 + 384 * 256 + 2560),
    "handwriting_cnn": (194_042, 28**2 * 400 + 14**2 * 9 * (16 + 64) * 64 + 7**2 * 9 * (64 + 96) * 96 + 8640),
    "lenet1": (3_246, 24 * 24 * 25 * 4 + 8 * 8 * 25 * 4 * 12 + 192 * 10),
    "lenet4": (16_690, 28 * 28 * 25 * 4 + 14 * 14 * 4 * 8 + 10 * 10 * 25 * 8 * 16 + 25 * 4 * 120 + 1200),
    "lenet5": (61_706, 416_520),
    "mlp": (20_175, 20_125),
    "separable_cnn": (
        941,
        14 * 14 * 25 * 6 + 14 * 14 * (6 * 9 + 6 * 13) + 3 * 7 * 7 * (13 * 9 + 13 * 13) + 3 * 3 * 13 + 130,
    ),
    "softmax_regression": (7_850, 7_840),
    "vgg_cnn": (
        298_410,
        28 * 28 * 9 * 32 * (1 + 32) + 14 * 14 * 9 * 64 * (32 + 64) + 7 * 7 * 9 * 128 * (64 + 128) + 1152 * 10,
    ),
}
# One setting away from the default for each model that has switches of its own.
SWITCHED = {
    "convnet": {"depth": (3, 5), "hidden": 32, "dropout": 0.1},
    "example_cnn": {"dropout": (0.1, 0.2)},
    "fast_cnn": {"maps": (8, 16), "hidden": 32},
    "handwriting_cnn": {"width": 16, "dropout": 0.4},
    "lenet1": {"activation": "gelu", "pool": "max"},
    "lenet4": {"activation": "relu", "pool": "max"},
    "lenet5": {"activation": "sigmoid", "pool": "avg", "padding": 0, "dropout": 0.25},
    "separable_cnn": {"first": 4, "stages": ((8, 8), (12,)), "repeats": 2},
    "vgg_cnn": {"maps": (6, 8), "dropout": 0.5},
    "mlp": {"hidden": (40, 30, 20), "activation": "silu", "dropout": 0.5},
}

every_model = pytest.mark.parametrize("name", list_models())


@pytest.fixture
def batch(mnist):
    return mnist.train.preprocessing.normalize(mnist.train.images[:16]), mnist.train.labels[:16].long()


def test_the_table_of_sizes_has_every_model():
    assert sorted(SIZES) == list_models()


@every_model
def test_it_has_exactly_the_published_parameters_and_operations(name):
    report = summary(create_model(name))
    assert (report.parameters, report.macs) == SIZES[name]


@every_model
def test_its_operations_are_half_of_the_flops_that_torch_counts(name):
    model = create_model(name).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 28, 28))
    assert summary(model).macs * 2 == counter.get_total_flops()


@every_model
@pytest.mark.parametrize("count", [0, 1, 16])
def test_it_returns_one_finite_row_of_logits_for_each_image(name, count, batch):
    logits = create_model(name).eval()(batch[0][:count])
    assert logits.shape == (count, 10)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@every_model
def test_its_logits_are_neither_probabilities_nor_their_logarithms(name, batch):
    logits = create_model(name).eval()(batch[0])
    assert (logits < 0).any()
    assert logits.logsumexp(1).abs().max() > 1e-3


@every_model
def test_it_takes_other_data(name):
    smaller = 36 if name == "lenet4" else 20  # which is as small as the others go
    for classes, channels, size in [(47, 1, 28), (1, 1, 28), (10, 3, 28), (10, 1, 32), (26, 1, smaller)]:
        model = create_model(name, classes=classes, channels=channels, image_size=size).eval()
        assert model(torch.randn(2, channels, size, size)).shape == (2, classes)


@every_model
def test_every_argument_is_a_documented_keyword_with_a_default(name):
    factory = model_factory(name)
    for argument in inspect.signature(factory).parameters.values():
        assert argument.kind is inspect.Parameter.KEYWORD_ONLY
        assert argument.default is not inspect.Parameter.empty
        assert f"\n    {argument.name}: " in inspect.getdoc(factory)


@every_model
def test_a_gradient_reaches_every_parameter(name, batch):
    model = create_model(name)
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@every_model
def test_a_few_steps_on_a_few_images_lower_the_loss(name, batch):
    model = create_model(name)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@every_model
def test_in_eval_mode_it_is_a_function_of_each_image_alone(name, batch):
    model = create_model(name).eval()
    together = model(batch[0])
    assert torch.equal(model(batch[0]), together)
    torch.testing.assert_close(torch.cat([model(image[None]) for image in batch[0]]), together)


@every_model
@pytest.mark.parametrize("switched", [False, True])
def test_in_training_mode_only_dropout_is_random(name, switched, batch):
    model = create_model(name, **(SWITCHED.get(name, {}) if switched else {}))
    dropping = any(isinstance(module, nn.Dropout) for module in model.modules())

    def run(seed):
        torch.manual_seed(seed)
        return model(batch[0])

    assert torch.equal(run(1), run(1))
    assert torch.equal(run(1), run(2)) is not dropping
    if not dropping and not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        assert torch.equal(run(1), model.eval()(batch[0]))


@every_model
def test_equal_seeds_make_equal_weights(name):
    def weights(seed):
        torch.manual_seed(seed)
        return list(create_model(name).parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(5), weights(5), strict=True))
    # Normalisation begins with ones and zeros.
    drawn = [(a, b) for a, b in zip(weights(5), weights(6), strict=True) if a.numel() == 1 or a.std() > 0]
    assert len(drawn) >= 2
    assert not any(torch.equal(a, b) for a, b in drawn)


@every_model
@pytest.mark.parametrize("switched", [False, True])
def test_a_checkpoint_rebuilds_it_to_the_last_bit(name, switched, batch, tmp_path):
    model = create_model(name, **(SWITCHED.get(name, {}) if switched else {})).eval()
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, CheckpointFile(model.state_dict(), spec=model_spec(model)))
    loaded = load_model(path)
    assert type(loaded) is type(model)
    assert model_spec(loaded) == model_spec(model)
    assert not loaded.training
    assert torch.equal(loaded(batch[0]), model(batch[0]))


@every_model
def test_images_of_another_shape_are_refused_with_both_shapes(name):
    model = create_model(name)
    expected = {1: "this network expects 784: set image_size= and channels= to the data's", 3: "expects (N, 1, 28, 28)"}
    for shape in [(28, 28), (5, 28, 27), (2, 1, 27, 28), (2, 3, 28, 28), (2, 783), (784,), (2, 1, 1, 28, 29), ()]:
        with pytest.raises(DataError, match=re.escape(expected[len(model.input_shape)])) as error:
            model(torch.zeros(shape))
        assert str(error.value).startswith(f"got images of shape {shape}, ")


@every_model
def test_it_can_be_made_and_run_without_any_memory(name):
    with torch.device("meta"):
        model = create_model(name)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert model(torch.empty(3, 1, 28, 28, device="meta")).shape == (3, 10)
    assert summary(model) == summary(create_model(name))


@every_model
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_it_runs_in_another_precision(name, dtype, batch):
    model = create_model(name).eval()
    reference = model(batch[0])
    logits = model.to(dtype)(batch[0].to(dtype))
    assert logits.dtype == dtype
    torch.testing.assert_close(logits.float(), reference, rtol=0.05, atol=0.05)


@every_model
def test_it_runs_with_channels_last(name, batch):
    model = create_model(name).eval()
    reference = model(batch[0])
    model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(batch[0].contiguous(memory_format=torch.channels_last)), reference)


@every_model
def test_a_trace_of_it_computes_the_same_for_any_number_of_images(name, batch):
    model = create_model(name).eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.* is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        traced = torch.jit.trace(model, batch[0][:2])
        torch.testing.assert_close(traced(batch[0]), model(batch[0]))


# Nearly all of it is torch's own Python, which takes twice as long when the coverage is measured.
@pytest.mark.no_cover
@every_model
def test_an_export_of_it_computes_the_same_for_any_number_of_images(name, batch):
    model = create_model(name).eval()
    dynamic = ({0: torch.export.Dim("images", min=1, max=1024)},)
    exported = torch.export.export(model, (batch[0][:2],), dynamic_shapes=dynamic).module()
    torch.testing.assert_close(exported(batch[0]), model(batch[0]))
