import copy
import inspect
import json

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from mnistkit.errors import ConfigError, UnknownModelError
from mnistkit.models import (
    ModelSpec,
    create_model,
    lenet5,
    list_models,
    model_factory,
    model_spec,
    register_model,
)

pytestmark = pytest.mark.usefixtures("own_models")


def tiny(width: int = 4, *, sizes: tuple[tuple[int, int], ...] = ((1, 2),), name: str | None = None) -> nn.Linear:
    """A factory of a user's own."""
    return nn.Linear(784, width)


def test_a_registered_factory_keeps_its_name_documentation_and_signature():
    stamped = register_model(tiny)
    assert (stamped.__name__, stamped.__doc__) == ("tiny", "A factory of a user's own.")
    assert inspect.signature(stamped) == inspect.signature(tiny)
    assert "tiny" in list_models()
    assert model_factory("tiny") is stamped


def test_the_names_at_the_top_are_the_registered_factories():
    assert model_factory("lenet5") is lenet5


def test_a_taken_name_is_refused_and_its_owner_stays():
    first = register_model(tiny)
    with pytest.raises(
        ConfigError, match=r"^a model named 'tiny' is registered already; give the function another name$"
    ):
        register_model(tiny)
    assert model_factory("tiny") is first


def test_a_model_remembers_every_argument_given_or_not_positional_or_not():
    spec = model_spec(register_model(tiny)(7, sizes=((3, 4), (5, 6))))
    assert spec == ModelSpec("tiny", {"width": 7, "sizes": [[3, 4], [5, 6]], "name": None})
    assert model_spec(create_model("lenet5", pool="avg")).arguments == {
        "activation": "relu",
        "pool": "avg",
        "padding": 2,
        "dropout": 0.0,
        "image_size": 28,
        "channels": 1,
        "classes": 10,
    }


def test_a_spec_that_went_through_json_gives_the_factory_its_tuples_back():
    seen = []

    @register_model
    def watched(*, sizes: tuple[tuple[int, int], ...] = ()) -> nn.Linear:
        seen.append(sizes)
        return nn.Linear(1, 1)

    spec = model_spec(watched(sizes=((1, 2), (3, 4))))
    again = ModelSpec(spec.name, json.loads(json.dumps(spec.arguments))).create()
    assert seen == [((1, 2), (3, 4))] * 2
    assert model_spec(again) == spec


def test_a_spec_gives_new_weights():
    model = create_model("mlp")
    again = model_spec(model).create()
    assert not torch.equal(again.layers[0].weight, model.layers[0].weight)


def test_a_copied_model_still_knows_how_it_was_made():
    model = create_model("mlp", hidden=(8,))
    assert model_spec(copy.deepcopy(model)) == model_spec(model)


def masked(model):
    prune.l1_unstructured(model.layers[0], "weight", 0.5)


def parametrized(model):
    parametrizations.weight_norm(model.layers[0])


def of_five_classes(model):
    model.layers[-1] = nn.Linear(model.layers[-1].in_features, 5)


@pytest.mark.parametrize("change", [masked, parametrized, of_five_classes])
def test_a_model_that_its_factory_would_not_make_again_has_no_spec(change):
    model = create_model("mlp")
    change(model)
    assert model_spec(model) is None


def test_a_model_that_is_compiled_half_as_wide_or_of_lazy_layers_has_one():
    model = create_model("mlp")
    spec = model_spec(model)
    assert model_spec(torch.compile(model).half()) == spec
    model.layers[0] = torch.compile(model.layers[0])
    assert model_spec(model) == spec

    @register_model
    def lazy() -> nn.Module:
        return nn.LazyLinear(2)

    made = lazy()
    assert model_spec(made) == ModelSpec("lazy", {})
    made(torch.zeros(1, 3))
    assert model_spec(made) == ModelSpec("lazy", {})


def test_a_module_that_no_factory_made_has_no_spec():
    model = nn.Linear(2, 2)
    assert model_spec(model) is None
    model._mnistkit_spec = "lenet5"
    assert model_spec(model) is None


@pytest.mark.parametrize("value", [nn.ReLU(), {"a": 1}, (1, object()), b"bytes", torch.zeros(1)])
def test_an_argument_that_json_cannot_hold_is_refused(value):
    @register_model
    def odd(*, thing: object) -> nn.Linear:
        return nn.Linear(1, 1)

    with pytest.raises(
        ConfigError,
        match=r"^odd's argument thing is .*; a registered model takes numbers, strings, booleans and tuples",
    ):
        odd(thing=value)


def test_an_unknown_name_is_answered_with_the_likeliest_and_all_that_there_are():
    available = ", ".join(list_models())
    with pytest.raises(UnknownModelError) as error:
        create_model("lennet5")
    assert str(error.value) == f"unknown model 'lennet5'; did you mean 'lenet5'? Available: {available}"
    with pytest.raises(UnknownModelError) as error:
        model_factory("transformer")
    assert str(error.value) == f"unknown model 'transformer'. Available: {available}"


def test_a_spec_of_a_factory_that_nobody_registered_here_says_so():
    with pytest.raises(UnknownModelError, match=r"^unknown model 'somebody_elses'\. Available: "):
        ModelSpec("somebody_elses", {}).create()


def test_an_unknown_argument_is_answered_with_the_likeliest():
    with pytest.raises(ConfigError) as error:
        create_model("lenet5", activaton="tanh")
    assert str(error.value) == (
        "unknown argument of lenet5 'activaton'; did you mean 'activation'? "
        "Available: activation, channels, classes, dropout, image_size, padding, pool"
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("lenet*", ["lenet1", "lenet4", "lenet5"]),
        ("*cnn", ["digit_cnn", "example_cnn", "fast_cnn", "handwriting_cnn", "separable_cnn", "vgg_cnn"]),
        ("lenet[14]", ["lenet1", "lenet4"]),
        ("lenet", []),
    ],
)
def test_models_are_listed_by_pattern_and_sorted(pattern, names):
    assert list_models(pattern) == names


def test_a_model_registered_last_is_listed_in_its_place():
    @register_model
    def a_first() -> nn.Linear:
        return nn.Linear(1, 1)

    assert list_models()[0] == "a_first"
