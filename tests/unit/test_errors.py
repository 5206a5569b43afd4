import builtins
import copy
import pickle
import re
import sys

import pytest

import mnistkit
from mnistkit import errors
from mnistkit.errors import ConfigError, MissingExtraError, MnistkitError, UnknownModelError, unknown_name

_CLASSES = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
}
_LINE = re.compile(r"^(?P<tree>[│├└─ ]*)(?P<name>\w+)(?: \((?P<builtin>\w+)\))? *(?P<text>.*)$")


def _drawn():
    """The tree at the top of the module: for each class its parent, the builtin beside it, and its exit code."""
    tree, path = {}, []
    for line in errors.__doc__.split("::")[1].split("A message says")[0].strip("\n").splitlines():
        match = _LINE.match(line.removeprefix("    "))
        if match is None:
            continue
        depth = len(match["tree"]) // 4
        path[depth:] = [match["name"]]
        code = re.search(r"exit code (\d)", match["text"])
        tree[match["name"]] = (path[depth - 1] if depth else "Exception", match["builtin"], code and int(code[1]))
    return tree


def test_the_drawing_at_the_top_shows_every_error_where_it_is():
    drawn = _drawn()
    assert drawn.keys() == _CLASSES.keys()
    for name, (parent, builtin, _) in drawn.items():
        bases = [base.__name__ for base in _CLASSES[name].__bases__]
        assert bases == [parent, *([builtin] if builtin else [])], name


def test_the_exit_codes_are_those_of_the_drawing_and_inherited():
    codes = {name: code for name, (_, _, code) in _drawn().items() if code}
    assert {name: _CLASSES[name].exit_code for name in codes} == codes
    assert sorted(codes.values()) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert MnistkitError.exit_code == 1
    for name, (parent, _, code) in _drawn().items():
        if not code and parent != "Exception":
            assert _CLASSES[name].exit_code == _CLASSES[parent].exit_code


def test_all_names_every_error_and_the_message_helper():
    assert set(errors.__all__) == {*_CLASSES, "unknown_name"}


def _instance(error):
    return error("matplotlib", "plot", "plotting") if error is MissingExtraError else error("text")


def test_every_error_is_documented_and_caught_by_the_base_and_its_builtin():
    for name, error in _CLASSES.items():
        assert error.__doc__.endswith("."), name
        assert issubclass(error, mnistkit.MnistkitError), name
        builtin = _drawn()[name][1]
        assert isinstance(_instance(error), getattr(builtins, builtin or "Exception")), name
        assert "text" in str(_instance(error)) or "mnistkit[plot]" in str(_instance(error)), name


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_every_error_comes_back_from_a_worker_process_as_it_was(again):
    for error in _CLASSES.values():
        instance = _instance(error)
        returned = again(instance)
        assert (type(returned), str(returned), returned.args) == (error, str(instance), instance.args)


def test_a_missing_package_says_how_to_get_it():
    with pytest.raises(ImportError) as error:
        raise MissingExtraError("tensorboard", "tensorboard", "TensorBoardLogger")
    assert str(error.value) == (
        "TensorBoardLogger needs tensorboard, which is not installed: pip install 'mnistkit[tensorboard]'"
    )


@pytest.mark.parametrize(
    ("extra", "remedy"),
    [
        ("pdf", "pip install 'mnistkit-runtime[pdf]'"),
        ("", "pip uninstall mnistkit-runtime, then pip install mnistkit"),
    ],
)
def test_where_only_mnistkit_runtime_is_a_missing_package_says_what_helps_there(monkeypatch, extra, remedy):
    monkeypatch.setitem(sys.modules, "mnistkit.classifier", None)  # one of those that it does not have
    assert str(MissingExtraError("it", extra, "this")) == f"this needs it, which is not installed: {remedy}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lennet5", "unknown model 'lennet5'; did you mean 'lenet5'? Available: lenet5, mlp"),
        ("transformer", "unknown model 'transformer'. Available: lenet5, mlp"),
        ("", "unknown model ''. Available: lenet5, mlp"),
        (None, "unknown model None. Available: lenet5, mlp"),
        (5, "unknown model 5. Available: lenet5, mlp"),
    ],
)
def test_an_unknown_name_is_told_with_the_likeliest_and_the_sorted_rest(name, message):
    assert unknown_name("model", name, ["mlp", "lenet5"]) == message
    assert unknown_name("model", name, {"lenet5": 1, "mlp": 2}) == message


def test_an_unknown_model_is_a_wrong_argument():
    with pytest.raises(ConfigError):
        mnistkit.create_model("nothing")
    assert issubclass(UnknownModelError, ValueError)
