import pytest
import torch
from torch import nn

from mnistkit.errors import ConfigError
from mnistkit.precision import Precision


@pytest.fixture
def model():
    return nn.Linear(4, 2)


@pytest.fixture
def scaled():
    """Float16's loss scaling, which torch also does on a CPU, so that it can be seen to work."""
    precision = Precision()
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    return precision


def test_an_unknown_precision_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError) as error:
        Precision("fp61")
    assert str(error.value) == "unknown precision 'fp61'; did you mean 'fp16'? Available: bf16, fp16, fp32"


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match=r"^precision 'fp16' needs a GPU; on a CPU use 'bf16' or 'fp32'$"):
        Precision("fp16")


def test_float32_does_nothing_to_a_pass(model):
    images = torch.randn(3, 4)
    precision = Precision()
    with precision.autocast():
        assert not torch.is_autocast_enabled("cpu")
        logits = model(images)
    assert torch.equal(logits, model(images))
    precision.backward(logits.square().mean())
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model(images).square().mean().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True))
    assert precision.state_dict() == {}


def test_bfloat16_is_used_inside_and_nowhere_else(model):
    precision = Precision("bf16", "cpu")
    with precision.autocast():
        assert model(torch.randn(3, 4)).dtype == torch.bfloat16
    assert model(torch.randn(3, 4)).dtype == torch.float32
    assert model.weight.dtype == torch.float32


def test_bfloat16_ends_when_the_pass_raises():
    precision = Precision("bf16")
    with pytest.raises(RuntimeError, match="on purpose"), precision.autocast():
        raise RuntimeError("on purpose")
    assert not torch.is_autocast_enabled("cpu")


def test_one_precision_serves_every_step():
    precision = Precision("bf16")
    for _ in range(3):
        with precision.autocast():
            assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_without_scaling_a_step_is_the_optimizers_own(name):
    def train(step, backward):
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            backward(model(torch.ones(3, 4)).square().mean())
            step(optimizer)
        return model.weight

    precision = Precision(name)

    def step(optimizer):
        precision.unscale(optimizer)
        precision.step(optimizer)
        precision.update()

    plain = train(lambda optimizer: optimizer.step(), lambda loss: loss.backward())
    assert torch.equal(train(step, precision.backward), plain)


def test_a_scaled_loss_gives_true_gradients_after_unscaling(scaled, model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images = torch.randn(3, 4)
    expected = torch.autograd.grad(model(images).square().mean(), model.weight)[0]
    scaled.backward(model(images).square().mean())
    torch.testing.assert_close(model.weight.grad, expected * 1024)
    scaled.unscale(optimizer)
    torch.testing.assert_close(model.weight.grad, expected)
    before = model.weight.detach().clone()
    scaled.step(optimizer)
    scaled.update()
    torch.testing.assert_close(model.weight.detach(), before - 0.1 * expected)


def test_an_overflow_leaves_the_weights_and_halves_the_scale(scaled, model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = model.weight.detach().clone()
    scaled.backward(model(torch.full((1, 4), 3e38)).sum())
    scaled.unscale(optimizer)
    scaled.step(optimizer)
    scaled.update()
    assert torch.equal(model.weight, before)
    assert scaled.state_dict()["scale"] == 512.0


def test_the_scale_and_its_history_can_be_restored(scaled, model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step(precision):
        optimizer.zero_grad()
        precision.backward(model(torch.ones(1, 4)).sum())
        precision.step(optimizer)
        precision.update()

    step(scaled)
    saved = scaled.state_dict()
    assert (saved["scale"], saved["_growth_tracker"]) == (1024.0, 1)
    again = Precision()
    again.scaler = torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=2)
    again.load_state_dict(saved)
    step(again)
    assert again.state_dict()["scale"] == 2048.0


def test_a_state_without_scaling_is_empty_and_loads_into_anything(scaled):
    empty = Precision("bf16").state_dict()
    assert empty == {}
    before = scaled.state_dict()
    scaled.load_state_dict(empty)
    assert scaled.state_dict() == before


@pytest.fixture
def cpu(monkeypatch):
    """Has torch report a CPU that can or cannot multiply bfloat16."""

    def has(unit):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda: {"amx_bf16": False, "avx2": True} | {unit: True}, raising=False
        )

    return has


CONVOLUTION, DENSE = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Linear(4, 2)


@pytest.mark.parametrize(
    ("unit", "model", "device", "name", "reason"),
    [
        ("amx_bf16", CONVOLUTION, "cpu", "bf16", "this CPU multiplies bfloat16"),
        ("avx512_bf16", CONVOLUTION, "cpu", "bf16", "this CPU multiplies bfloat16"),
        ("amx_bf16", DENSE, "cpu", "fp32", "a model without convolutions is slower in bfloat16"),
        ("avx2", CONVOLUTION, "cpu", "fp32", "this CPU does not multiply bfloat16"),
        ("amx_bf16", CONVOLUTION, "mps", "fp32", "nothing else was measured on this kind of device"),
    ],
)
def test_the_fastest_precision_is_that_of_the_measurements(cpu, unit, model, device, name, reason):
    cpu(unit)
    precision = Precision.fastest(model, device)
    assert (precision.name, precision.reason, precision.device.type) == (name, reason, device)


@pytest.mark.parametrize(
    ("capability", "model", "name", "reason"),
    [
        ((9, 0), CONVOLUTION, "bf16", "this GPU multiplies bfloat16"),
        ((8, 0), DENSE, "fp32", "a model without convolutions is slower in bfloat16"),
        ((7, 5), CONVOLUTION, "fp32", "this GPU does not multiply bfloat16"),
    ],
)
def test_the_fastest_precision_of_a_gpu_is_that_of_its_units(monkeypatch, capability, model, name, reason):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    precision = Precision.fastest(model, "cuda")
    assert (precision.name, precision.reason, precision.device.type) == (name, reason, "cuda")


def test_a_torch_that_does_not_tell_its_cpu_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert Precision.fastest(CONVOLUTION, "cpu").name == "fp32"


def test_a_precision_that_was_asked_for_has_no_reason():
    assert Precision("fp32").reason is None
