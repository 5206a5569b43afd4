"""Eval mode for a while, and where a model is."""

import pytest
import torch
from torch import nn

from mnistkit.models.network import evaluating, model_device


def test_a_model_is_in_eval_mode_and_then_each_module_in_its_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    # Frozen statistics: one module's mode differs from its parent's.
    model[1][1].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, True, True, False]


def test_an_error_gives_the_modes_back_too():
    model = nn.Dropout()
    with pytest.raises(LookupError), evaluating(model):
        raise LookupError
    assert model.training


def test_an_error_of_the_models_own_eval_gives_them_back():
    class Stubborn(nn.Sequential):
        def eval(self):
            super().eval()
            raise LookupError

    model = Stubborn(nn.Dropout())
    with pytest.raises(LookupError), evaluating(model):
        pass
    assert model[0].training


def test_a_model_in_eval_mode_stays_in_it():
    model = nn.Dropout().eval()
    with evaluating(model):
        pass
    assert not model.training


def test_a_model_is_where_its_parameters_are_or_its_buffers():
    assert model_device(nn.Linear(1, 1, device="meta")) == torch.device("meta")
    assert model_device(nn.BatchNorm1d(1, affine=False, device="meta")) == torch.device("meta")
    assert model_device(nn.ReLU()) == torch.device("cpu")
