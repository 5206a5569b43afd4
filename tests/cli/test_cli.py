"""Every command, as a user types it and as a program reads it."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import mnistkit
import mnistkit.data
from mnistkit import errors
from mnistkit.checkpoint import read_checkpoint, write_checkpoint
from mnistkit.cli import main
from mnistkit.data import list_datasets
from mnistkit.finder import Finder
from mnistkit.line_reader import LineReader
from mnistkit.recipes import DrawnLines, DrawnPages, FinderRecipe, LineRecipe, get_recipe, list_recipes


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def run_json(run):
    """Runs a command with --json; returns the one object that it prints."""

    def run_json(*arguments):
        code, output, errors = run(*arguments, "--json")
        assert code == 0, errors
        assert output.count("\n") == 1
        return json.loads(output)

    return run_json


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_root):
    """The folder of a finished run of two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    data = ["--dataset", "fashion-mnist", "--root", str(small_root), "--validation", "100"]
    assert main(["train", *data, "--batch-size", "16", "--epochs", "2", "--output", str(folder)]) == 0
    return folder


@pytest.fixture
def pictures(tmp_path, small):
    """Three test images as PNG files."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, small.test.images, strict=False):
        PIL.Image.fromarray(image[0].numpy()).save(path)
    return paths


# ---- train ------------------------------------------------------------------------------------------------------------


def test_train_prints_one_json_object_and_progress_on_standard_error(run, train_command, tmp_path):
    code, output, progress = run(*train_command, "--epochs", 2, "--json")
    report = json.loads(output)
    assert (code, output.count("\n")) == (0, 1)
    assert [line[:9] for line in progress.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert report["test"]["count"] == 100
    assert report["test"]["accuracy"] == report["test"]["correct"] / 100
    low, high = report["test"]["interval"]
    assert 0 <= low <= report["test"]["accuracy"] <= high <= 1
    assert [(row["epoch"], row["step"]) for row in report["history"]] == [(1, 13), (2, 26)]
    assert report["history"][0].keys() == {
        "epoch", "step", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"
    }  # fmt: skip
    assert (report["model"], report["dataset"], report["seed"], report["epochs"]) == ("lenet5", "fashion-mnist", 0, 2)
    assert report["seconds"] >= 0
    assert report["checkpoint"] == str(tmp_path / "run" / "best.safetensors")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.safetensors",
        "history.csv",
        "last.safetensors",
    ]


def test_train_prints_the_test_accuracy_and_the_checkpoint(run, train_command, tmp_path):
    code, output, _ = run(*train_command, "--epochs", 1)
    first, second = output.splitlines()
    assert code == 0
    assert first.startswith("seed 0: test loss ")
    assert " (95 % interval " in first
    assert first.endswith(" of 100)")
    assert second == f"  {tmp_path / 'run' / 'best.safetensors'}"


def test_train_reports_the_test_accuracy_of_the_best_epoch_not_of_the_last(run_json, train_command, small_root):
    report = run_json(*train_command, "--epochs", 3, "--lr", 0.01)
    best = max(report["history"], key=lambda row: row["val_accuracy"])
    content = read_checkpoint(report["checkpoint"])
    assert content.metrics == {**best, "test": report["test"]}
    model, test = content.build(), mnistkit.load_dataset("fashion-mnist", root=small_root, validation=0).test
    with torch.no_grad():
        logits = model(test.preprocessing.normalize(test.images))
    assert report["test"]["correct"] == int((logits.argmax(1) == test.labels).sum())


def test_the_same_command_gives_the_same_figures(run_json, train_command, tmp_path):
    command = [*train_command, "--epochs", 2, "--seed", 7]
    first, second = run_json(*command), run_json(*command, "--output", tmp_path / "again")
    assert second["history"] == first["history"]
    assert second["test"] == first["test"]
    other_seed = run_json(*train_command, "--epochs", 2, "--output", tmp_path / "other")
    assert other_seed["history"] != first["history"]


@pytest.mark.parametrize(
    ("model", "setting", "name", "value"),
    [
        ("lenet5", "activation=tanh", "activation", "tanh"),
        ("lenet5", "dropout=0.25", "dropout", 0.25),
        ("convnet", "depth=(2, 3)", "depth", [2, 3]),
        ("mlp", "hidden=(8,)", "hidden", [8]),
    ],
)
def test_set_gives_an_argument_to_the_model(run_json, train_command, model, setting, name, value):
    report = run_json(*train_command, "--epochs", 1, "--model", model, "--set", setting)
    spec = read_checkpoint(report["checkpoint"]).spec
    assert (spec.name, spec.arguments[name]) == (model, value)


@pytest.mark.parametrize(
    ("options", "place", "value"),
    [
        (["--batch-size", "50"], ["batch_size"], 50),
        (["--seed", "4"], ["seed"], 4),
        (["--precision", "bf16"], ["precision"], "bf16"),
        (["--optimizer", "sgd"], ["optimizers", "optimizer", "kind"], "SGD"),
        (["--lr", "0.5"], ["lr"], {"kind": "OneCycle", "peak": 0.5, "rise": 0.3, "start": 0.04, "final": 0.0001}),
        (["--lr", "0.5", "--schedule", "cosine"], ["lr"], {"kind": "Cosine", "lr": 0.5, "final": 0.0}),
        (["--lr", "0.5", "--schedule", "constant"], ["lr"], {"kind": "Constant", "lr": 0.5}),
        (["--no-augment"], ["augment"], None),
    ],
)
def test_every_option_reaches_the_run(run_json, train_command, tmp_path, options, place, value):
    run_json(*train_command, "--epochs", 1, *options)
    found = read_checkpoint(tmp_path / "run" / "last.safetensors").training["run"]
    for name in place:
        found = found[name]
    assert found == value


def test_without_options_lenet5_is_trained_on_mnist_as_the_readme_says(run, monkeypatch, tmp_path, small, pictures):
    wanted = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnistkit.data, "load_dataset", lambda name, **options: wanted.append((name, options)) or small)
    assert run("train", "--epochs", 1)[0] == 0
    assert wanted == [("mnist", {"root": None, "validation": 5000})]
    content = read_checkpoint(tmp_path / "runs" / "lenet5" / "last.safetensors")
    assert content.spec.name == "lenet5"
    assert content.training["run"]["augment"]["kind"] == "Augment"
    code, output, _ = run("predict", *pictures)
    assert code == 0
    assert len(output.splitlines()) == 3


@pytest.mark.parametrize("option", ["--fast", "--recipe=fast-99.0"])
def test_a_recipe_is_followed(run_json, train_command, tmp_path, option):
    position = train_command.index("--batch-size")
    report = run_json(*train_command[:position], *train_command[position + 2 :], option)
    recipe = get_recipe("fast-99.0")
    content = read_checkpoint(tmp_path / "run" / "best.safetensors")
    assert (report["model"], content.spec.name) == ("fast_cnn", "fast_cnn")
    assert content.spec.arguments.items() >= {"maps": [16, 24], "hidden": 256}.items()
    assert content.about["recipe"]["batch_size"] == recipe.batch_size
    assert report["recipe"] == "fast-99.0 with other dataset, validation"
    assert report["history"][-1]["step"] == round(recipe.epochs * math.ceil(200 / recipe.batch_size))


def test_a_recipe_trains_from_the_command_line_as_in_python(run_json, tmp_path, small_root):
    options = ["--recipe", "t1", "--root", small_root, "--epochs", 1, "--device", "cpu", "--seed", 2]
    report = run_json("train", *options, "--output", tmp_path / "run")
    recipe = dataclasses.replace(get_recipe("t1"), epochs=1)
    result = recipe.run(2, root=small_root, device="cpu", progress=False)
    assert report["history"] == result.history.rows
    assert report["test"] == result.evaluation.to_json()
    assert report["checkpoint"] == str(tmp_path / "run" / "model.safetensors")
    assert run_json("evaluate", report["checkpoint"], "--root", small_root)["accuracy"] == result.accuracy


def test_an_option_changes_its_part_of_a_recipe_only(run_json, train_command, tmp_path):
    run_json(*train_command, "--recipe", "t3", "--epochs", 0.5, "--set", "hidden=8")
    content = read_checkpoint(tmp_path / "run" / "last.safetensors")
    assert content.spec.name == "convnet"
    assert content.spec.arguments["hidden"] == 8
    assert content.training["optimizers"]["optimizer"]["param_groups"][0]["momentum"] == 0.9


def test_recipes_are_listed(run, run_json):
    code, output, _ = run("recipes")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()[1::2]] == [*list_recipes(), "finder", "lines"]
    described = [
        *(get_recipe(name).describe() for name in list_recipes()),
        FinderRecipe().describe(),
        LineRecipe().describe(),
    ]
    assert run_json("recipes")["recipes"] == described


def few_pages(recipe, seed=0):
    pages = DrawnPages(mnistkit.load_mnist().train, (), 8, seed=seed, side=64)
    return pages, pages


def test_the_finders_recipe_trains_a_finder(run_json, tmp_path, monkeypatch):
    monkeypatch.setattr(FinderRecipe, "draw", few_pages)
    arguments = ("train", "--recipe", "finder", "--device", "cpu", "--output", tmp_path / "run", "--batch-size", 4)
    report = run_json(*arguments, "--seed", 4)
    card = Finder.load(tmp_path / "run" / "finder.safetensors").card
    assert report == {**card.to_json(), "versions": {}}
    assert (card.recipe["name"], card.recipe["seed"]) == ("finder with other batch_size", 4)


def test_the_recipe_of_lines_trains_a_reader_of_them(run_json, tmp_path, monkeypatch):
    strips = DrawnLines(mnistkit.load_mnist().train, (), 8, seed=0)
    monkeypatch.setattr(LineRecipe, "draw", lambda self, seed: (strips, strips))
    arguments = ("train", "--recipe", "lines", "--device", "cpu", "--output", tmp_path / "run", "--batch-size", 4)
    report = run_json(*arguments, "--seed", 4)
    card = LineReader.load(tmp_path / "run" / "lines.safetensors").card
    assert report == {**card.to_json(), "versions": {}}
    assert (card.recipe["name"], card.recipe["seed"]) == ("lines with other batch_size", 4)


@pytest.mark.parametrize("other", [("--model", "lenet1"), ("--seed", 1, 2), ("--no-augment",)], ids=str)
def test_the_finders_recipe_has_fewer_options(other, run, tmp_path):
    code, _, error = run("train", "--recipe", "finder", "--output", tmp_path / "run", *other)
    assert code == 2
    assert "--recipe finder takes --epochs, --batch-size" in error
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe_is_told_the_likeliest_one(run, train_command, capsys):
    code, _, error = run(*train_command, "--recipe", "lenet6")
    assert code == 2
    assert "unknown recipe 'lenet6'; did you mean 'lenet5'?" in error
    with pytest.raises(SystemExit):
        main(["train", "--fast", "98"])
    assert "(choose from 99.0, 99.4, 99.6)" in capsys.readouterr().err.replace("'", "")


def test_part_of_an_epoch_can_be_asked_for(run_json, train_command):
    assert run_json(*train_command, "--epochs", 1.5, "--batch-size", 20)["history"][-1]["step"] == 15


def test_several_seeds_train_a_model_each(run_json, train_command, tmp_path):
    report = run_json(*train_command, "--epochs", 1, "--seed", 3, 5)
    values = [run["test"]["accuracy"] for run in report["runs"]]
    assert [run["seed"] for run in report["runs"]] == [3, 5]
    # As `repeat` writes it.
    assert (report["seeds"], report["values"], report["split"]) == ([3, 5], values, "test")
    assert report["mean"] == pytest.approx(np.mean(values))
    assert report["std"] == pytest.approx(np.std(values, ddof=1))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["seed-3", "seed-5"]
    assert report["runs"][1]["checkpoint"] == str(tmp_path / "run" / "seed-5" / "best.safetensors")


def test_several_seeds_print_a_line_each_and_their_mean(run, train_command):
    code, output, _ = run(*train_command, "--epochs", 1, "--seed", 3, 5)
    lines = output.splitlines()
    assert code == 0
    assert [line.partition(" test ")[0] for line in lines[::2][:2]] == ["seed 3:", "seed 5:"]
    assert lines[4].startswith("test accuracy, mean of 2 seeds: ")
    assert "%, standard deviation " in lines[4]


def test_without_validation_images_the_training_loss_decides(run_json, train_command, tmp_path):
    report = run_json(*train_command, "--epochs", 1, "--validation", 0)
    assert report["history"][0].keys() == {"epoch", "step", "lr", "train_loss", "train_accuracy"}
    training = read_checkpoint(tmp_path / "run" / "last.safetensors").training
    assert training["callbacks"]["Checkpoint"]["best"] == {"train_loss": report["history"][0]["train_loss"]}


def test_an_existing_run_is_not_overwritten(run, train_command, tmp_path):
    assert run(*train_command, "--epochs", 1)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    code, output, error = run(*train_command, "--epochs", 1)
    assert (code, output) == (2, "")
    assert error == (
        f"mnistkit: {tmp_path / 'run'} holds a run already; add --resume to go on with it, or give another --output\n"
    )
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_one_existing_run_of_several_seeds_stops_all_before_they_begin(run, train_command, tmp_path):
    assert run(*train_command, "--epochs", 1, "--output", tmp_path / "run" / "seed-2")[0] == 0
    code, _, error = run(*train_command, "--epochs", 1, "--seed", 1, 2)
    assert code == 2
    assert f"{tmp_path / 'run' / 'seed-2'} holds a run already" in error
    assert not (tmp_path / "run" / "seed-1").exists()


def test_resume_goes_on_for_more_epochs(run_json, train_command):
    first = run_json(*train_command, "--epochs", 1, "--schedule", "constant")
    longer = run_json(*train_command, "--epochs", 2, "--schedule", "constant", "--resume")
    assert longer["history"][0] == first["history"][0]
    assert [row["epoch"] for row in longer["history"]] == [1, 2]


def test_resume_of_a_finished_run_reports_it_again(run_json, train_command):
    first = run_json(*train_command, "--epochs", 1)
    again = run_json(*train_command, "--epochs", 1, "--resume")
    assert again["history"] == first["history"]
    assert again["test"] == first["test"]


def test_resume_without_a_run_begins_one(run_json, train_command):
    assert len(run_json(*train_command, "--epochs", 1, "--resume")["history"]) == 1


def test_resume_with_other_options_lists_the_differences(run, train_command):
    assert run(*train_command, "--epochs", 1)[0] == 0
    code, output, error = run(*train_command, "--epochs", 1, "--resume", "--batch-size", 8, "--no-augment")
    assert (code, output) == (4, "")
    assert "is of another run:\n" in error
    assert "\n  augment: {'kind': 'Augment', 'rotate': 10," in error
    assert "\n  batch_size: 16 in the file, 8 now\n" in error


def test_ctrl_c_before_the_first_checkpoint_claims_no_saved_run(run, train_command, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    for owner, name in ((mnistkit.Trainer, "training_step"), (mnistkit.data, "load_dataset")):
        monkeypatch.setattr(owner, name, interrupted)
        assert run(*train_command) == (130, "", "mnistkit: interrupted\n")


# ---- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--model", "lennet5"], 2, "unknown model 'lennet5'; did you mean 'lenet5'? Available: "),
        (
            ["--dataset", "fashon-mnist"],
            2,
            "unknown data set 'fashon-mnist'; did you mean 'fashion-mnist'? Available: ",
        ),
        (["--optimizer", "adamm"], 2, "unknown optimizer 'adamm'; did you mean 'adam'? Available: "),
        (["--device", "gpu"], 2, "'gpu' is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1', 'mps'"),
        (["--precision", "fp16"], 2, "precision 'fp16' needs a GPU; on a CPU use 'bf16' or 'fp32'"),
        (["--set", "activation"], 2, "--set 'activation': expected NAME=VALUE, such as activation=tanh"),
        (["--set", "activaton=tanh"], 2, "unknown argument of lenet5 'activaton'; did you mean 'activation'?"),
        (["--set", "activation=thanh"], 2, "'thanh'; did you mean 'tanh'?"),
        (["--epochs", "0"], 2, "epochs is 0.0, expected a positive number"),
        (["--batch-size", "0"], 2, "batch_size is 0, expected at least 1"),
        (["--lr", "nan"], 2, "peak is nan, expected a positive number"),
        (["--lr", "-1", "--schedule", "constant"], 2, "lr is -1.0, expected a positive number"),
        (["--set", "hidden={[]:1}"], 2, "--set hidden={[]:1}: this is no value: "),
        (["--set", f"hidden={'-' * 5000}1"], 2, "this is no value: "),
        (["--validation", "300"], 3, "cannot take 300 images out of 300 and leave any"),
        (["--lr", "1e30", "--schedule", "constant", "--optimizer", "sgd"], 6, "became NaN or infinite"),
    ],
)
def test_train_refuses_what_cannot_work_in_one_clear_line(run, train_command, tmp_path, options, code, text):
    got, output, error = run(*train_command, "--epochs", 1, *options)
    assert (got, output) == (code, "")
    (line,) = [line for line in error.splitlines() if line.startswith("mnistkit: ")]
    assert text in line
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_a_damaged_data_file_is_named(run, train_command, tmp_path, small_root):
    for path in small_root.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-1])
    code, _, error = run(*train_command, "--root", tmp_path)
    assert code == 3
    assert f"mnistkit: {tmp_path / 'train-images-idx3-ubyte'}" in error


def test_an_output_folder_that_cannot_be_made_is_named(run, train_command, tmp_path):
    (tmp_path / "file").touch()
    code, _, error = run(*train_command, "--epochs", 1, "--output", tmp_path / "file" / "run")
    assert code == 8
    assert f"mnistkit: cannot write {tmp_path / 'file' / 'run'}" in error
    assert "choose a folder that can be written" in error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.MnistkitError("it broke"), 1),
        (errors.ConfigError("it broke"), 2),
        (errors.UnknownModelError("it broke"), 2),
        (errors.DuplicateCallbackError("it broke"), 2),
        (errors.DataError("it broke"), 3),
        (errors.DownloadError("it broke"), 3),
        (errors.IdxFormatError("it broke"), 3),
        (errors.SplitLeakError("it broke"), 3),
        (errors.CheckpointError("it broke"), 4),
        (errors.CheckpointFormatError("it broke"), 4),
        (errors.CheckpointMismatchError("it broke"), 4),
        (errors.ImageError("it broke"), 5),
        (errors.BlankImageError("it broke"), 5),
        (errors.NonFiniteLossError("it broke"), 6),
        (errors.MissingExtraError("it", "extra", "breaking"), 7),
        (errors.WriteError("it broke"), 8),
        (PermissionError(13, "Permission denied", "file"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_is_a_line_and_an_exit_code(run, monkeypatch, error, code):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(mnistkit.data, "load_dataset", fail)
    assert run("train") == (code, "", f"mnistkit: {error}\n")


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr(mnistkit.data, "load_dataset", lambda *arguments, **options: {}["bug"])
    with pytest.raises(KeyError, match="bug"):
        main(["train"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "--seed", "1" + 22 * "0"], "is not a seed: expected a whole number from 0 to 2**63 - 1"),
        (["train", "--seed", "-1"], "-1"),
        (["datasets", "\x1b[31m"], r"unrecognized arguments: \x1b[31m"),
        ([], "the following arguments are required: COMMAND"),
        (["trian"], "invalid choice: 'trian'"),
        (["predict"], "the following arguments are required: FILE"),
        (["train", "--epochs", "many"], "argument --epochs: invalid float value: 'many'"),
        (["train", "--schedule", "linear"], "argument --schedule: invalid choice: 'linear'"),
        (["evaluate", "x", "--split", "all"], "argument --split: invalid choice: 'all'"),
    ],
)
def test_a_misspelt_command_line_is_explained(capsys, arguments, text):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("usage: mnistkit")
    assert text in error


# ---- evaluate ---------------------------------------------------------------------------------------------------------


def test_evaluate_repeats_what_training_reported(run_json, train_command, small_root):
    report = run_json(*train_command, "--epochs", 2)
    result = run_json("evaluate", report["checkpoint"], "--root", small_root)
    assert (result["dataset"], result["split"], result["model"]) == ("fashion-mnist", "test", "lenet5")
    for name in ("accuracy", "interval", "correct", "count"):
        assert result[name] == report["test"][name]
    assert result["loss"] == pytest.approx(report["test"]["loss"], abs=1e-6)


def test_evaluate_reports_every_class(run_json, trained, small_root):
    result = run_json("evaluate", trained / "best.safetensors", "--root", small_root)
    assert [row["name"] for row in result["per_class"]] == list(mnistkit.data.dataset_info("fashion-mnist").classes)
    assert sum(row["support"] for row in result["per_class"]) == result["count"] == 100
    assert sum(map(sum, result["confusion"])) == 100
    assert result["correct"] == sum(row[label] for label, row in enumerate(result["confusion"]))


def test_evaluate_prints_a_table(run, trained, small_root):
    code, output, _ = run("evaluate", trained / "best.safetensors", "--root", small_root, "--device", "cpu")
    assert code == 0
    assert output.startswith("lenet5 on fashion-mnist test, 100 images\n\naccuracy ")
    assert "\nAnkle boot " in output


def test_evaluate_writes_a_page_or_a_file(run, run_json, trained, small_root, tmp_path):
    best, page, file = trained / "best.safetensors", tmp_path / "new" / "report.html", tmp_path / "report.json"
    code, output, _ = run("evaluate", best, "--root", small_root, "--report", page)
    assert (code, output.endswith(f"\n\nreport: {page}\n")) == (0, True)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    result = run_json("evaluate", best, "--root", small_root, "--report", file)
    assert mnistkit.Report.load(file).score.correct == result["correct"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"report.html", "report.json"}


def test_evaluate_refuses_another_kind_of_report_before_it_measures(run, tmp_path):
    code, output, error = run("evaluate", tmp_path / "none.safetensors", "--report", tmp_path / "report.pdf")
    assert (code, output) == (2, "")
    assert f"--report {tmp_path / 'report.pdf'}: expected a name that ends in .html (to read) or .json" in error


def test_only_the_first_of_several_processes_writes_the_report(run, trained, small_root, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    code, output, _ = run(
        "evaluate", trained / "best.safetensors", "--root", small_root, "--report", tmp_path / "r.html"
    )
    assert (code, output, list(tmp_path.iterdir())) == (0, "", [])


def test_evaluate_finds_the_validation_images_that_training_set_aside(run_json, trained, small_root):
    best = trained / "best.safetensors"
    result = run_json("evaluate", best, "--root", small_root, "--split", "validation", "--validation", 100)
    assert result["accuracy"] == read_checkpoint(best).metrics["val_accuracy"]
    assert result["loss"] == pytest.approx(read_checkpoint(best).metrics["val_loss"])
    rest = run_json("evaluate", best, "--root", small_root, "--split", "train", "--validation", 100)
    assert (rest["split"], rest["count"]) == ("train", 200)


def test_evaluate_refuses_validation_images_that_the_model_was_trained_on(run, trained, small_root):
    best = trained / "best.safetensors"
    code, output, error = run("evaluate", best, "--root", small_root, "--split", "validation", "--validation", 150)
    assert (code, output) == (2, "")
    assert f"{best} was trained on 200 images, of which --validation 150 sets some aside" in error


def test_evaluate_on_another_data_set_uses_the_file_s_preprocessing(run_json, trained, monkeypatch, small):
    classes = read_checkpoint(trained / "best.safetensors").classes
    named = small._replace(test=dataclasses.replace(small.test, classes=classes))
    monkeypatch.setattr(mnistkit.data, "load_dataset", lambda name, **options: named)
    result = run_json("evaluate", trained / "best.safetensors", "--dataset", "mnist")
    content = read_checkpoint(trained / "best.safetensors")
    assert content.preprocessing.mean != small.test.mean
    with torch.no_grad():
        logits = content.build()(content.preprocessing.normalize(small.test.images))
    assert result["dataset"] == "mnist"
    assert result["correct"] == int((logits.argmax(1) == small.test.labels).sum())


def test_evaluate_takes_the_first_of_data_sets_that_were_joined(run_json, trained, small_root, tmp_path):
    content = read_checkpoint(trained / "best.safetensors")
    content.data["name"] = "fashion-mnist+strokes"
    write_checkpoint(tmp_path / "joined.safetensors", content)
    report = run_json("evaluate", tmp_path / "joined.safetensors", "--root", small_root)
    assert report["dataset"] == "fashion-mnist"


def test_evaluate_asks_for_the_data_set_of_a_file_that_does_not_know_it(run, tmp_path, small_root):
    torch.save(mnistkit.create_model("lenet5").state_dict(), tmp_path / "weights.pt")
    code, _, error = run("evaluate", tmp_path / "weights.pt")
    assert code == 2
    assert f"{tmp_path / 'weights.pt'} does not say what it was trained on; give --dataset" in error
    code, _, error = run("evaluate", tmp_path / "weights.pt", "--dataset", "fashion-mnist", "--root", small_root)
    assert code == 4
    assert "the file does not say which model its weights belong to" in error


# ---- one's own pictures -----------------------------------------------------------------------------------------------


def put_pictures(folder, dataset, each):
    """Pictures of a data set as files, a folder for each digit, the first ``each`` of them."""
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number, image in enumerate(dataset.only(digit).images[:each, 0].numpy()):
            PIL.Image.fromarray(image).save(folder / str(digit) / f"{number}.png")
    return folder


@pytest.fixture
def train_own(tmp_path):
    """A command that trains on a folder of pictures; options may follow."""
    return ["train", "--model", "mlp", "--epochs", 1, "--batch-size", 10, "--output", tmp_path / "run", "--dataset"]


def test_a_folder_of_classes_is_trained_on_and_a_tenth_of_it_judges(run, run_json, train_own, tmp_path, mnist):
    own = put_pictures(tmp_path / "own", mnist.train, 4)
    report = run_json(*train_own, own)
    assert (report["dataset"], report["validation"]["count"], "test" in report) == (str(own), 4, False)
    assert report["validation"]["accuracy"] == report["history"][0]["val_accuracy"]
    # All of it was seen in training or in choosing.
    code, _, error = run("evaluate", report["checkpoint"], "--dataset", own)
    assert code == 2
    assert f"was trained on pictures of {own}; give a folder of others" in error
    others = put_pictures(tmp_path / "others", mnist.validation, 2)
    assert run_json("evaluate", report["checkpoint"], "--dataset", others)["count"] == 20
    code, output, _ = run(*train_own, own, "--validation", 8, "--output", tmp_path / "second")
    assert code == 0
    assert output.startswith("seed 0: validation loss ")
    assert "of 8)" in output.splitlines()[0]


def test_a_folder_of_splits_is_trained_on_and_measured(run, run_json, train_own, tmp_path, mnist):
    own = tmp_path / "own"
    put_pictures(own / "train", mnist.train, 4)
    put_pictures(own / "test", mnist.validation, 2)
    report = run_json(*train_own, own)
    assert report["test"]["count"] == 20
    result = run_json("evaluate", report["checkpoint"], "--dataset", own)
    assert (result["correct"], result["count"]) == (report["test"]["correct"], 20)
    code, _, error = run("evaluate", report["checkpoint"], "--dataset", own, "--split", "validation")
    assert (code, "has no folder validation, only train, test; give --split" in error) == (2, True)
    put_pictures(own / "validation", mnist.validation, 1)
    report = run_json(*train_own, own, "--output", tmp_path / "second")
    assert read_checkpoint(report["checkpoint"]).data["count"] == 40


def test_a_folder_that_leaves_nothing_to_measure_on_is_refused(run, train_own, tmp_path, mnist):
    own = put_pictures(tmp_path / "own", mnist.train, 2)
    code, output, error = run(*train_own, own, "--validation", 0)
    assert (code, output) == (2, "")
    assert "has no test images, and without validation images nothing to measure on" in error


@pytest.mark.parametrize("name", ["pictures", "a" * 300, "a\0b"])
def test_what_is_neither_a_data_set_nor_a_folder_is_said(run, train_own, name):
    code, output, error = run(*train_own, name)
    assert (code, output) == (2, "")
    assert "unknown data set" in error
    assert error.endswith("; and there is no folder of that name\n")


def test_what_only_a_file_asks_for_is_not_downloaded(run, trained, monkeypatch, tmp_path):
    monkeypatch.setenv("MNISTKIT_HOME", str(tmp_path))
    asked = []
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", lambda *arguments, **options: asked.append(options))
    code, output, error = run("evaluate", trained / "best.safetensors")
    assert (code, output, asked) == (3, "", [])
    assert "trained on 'fashion-mnist', as it says itself; what only a file asks for is not downloaded" in error
    assert run("evaluate", trained / "best.safetensors", "--dataset", "fashion-mnist")[0] == 3
    assert asked


def test_a_folder_that_only_a_file_names_is_not_looked_into(run, tmp_path, trained, mnist):
    content = read_checkpoint(trained / "best.safetensors")
    content.data["name"] = str(put_pictures(tmp_path / "own", mnist.train, 1))
    write_checkpoint(tmp_path / "x.safetensors", content)
    code, _, error = run("evaluate", tmp_path / "x.safetensors")
    assert (code, "unknown data set" in error) == (2, True)


# ---- compare ----------------------------------------------------------------------------------------------------------


def test_compare_says_whether_two_files_differ(run, run_json, trained, small_root, tmp_path):
    best, last = trained / "best.safetensors", trained / "last.safetensors"
    code, output, _ = run("compare", best, last, "--root", small_root)
    assert code == 0
    assert output.startswith("On 100 images, ")
    result = run_json("compare", best, last, "--root", small_root)
    assert (result["first"], result["second"], result["count"]) == (str(best), str(last), 100)
    assert 0 <= result["p_value"] <= 1
    # A report stands for its checkpoint, and needs no data.
    for path in (best, last):
        run("evaluate", path, "--root", small_root, "--report", tmp_path / f"{path.stem}.json")
    reports = tmp_path / "best.json", tmp_path / "last.json"
    assert run_json("compare", *reports) == result | {"first": str(reports[0]), "second": str(reports[1])}


def test_compare_refuses_other_data(run, trained, small_root, tmp_path):
    best, report = trained / "best.safetensors", tmp_path / "train.json"
    run("evaluate", best, "--root", small_root, "--split", "train", "--validation", 100, "--report", report)
    code, output, error = run("compare", best, report, "--root", small_root)
    assert (code, output) == (3, "")
    assert "a paired test needs the same images" in error


# ---- predict ----------------------------------------------------------------------------------------------------------


def test_predict_reports_every_probability(run_json, trained, pictures):
    best = trained / "best.safetensors"
    rows = run_json("predict", *pictures, "--checkpoint", best)["predictions"]
    predictor = mnistkit.Predictor.from_checkpoint(best)
    assert [row["file"] for row in rows] == [str(path) for path in pictures]
    for row, path in zip(rows, pictures, strict=True):
        expected = predictor.predict(path)
        assert (row["label"], row["name"]) == (expected.label, expected.name)
        # One at a time they are rounded otherwise.
        assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
        assert row["confidence"] == max(row["probabilities"])
        assert sum(row["probabilities"]) == pytest.approx(1)


def test_predict_prints_a_line_for_each_picture(run, trained, pictures):
    best = trained / "best.safetensors"
    code, output, error = run("predict", *pictures, "--checkpoint", best)
    predictor = mnistkit.Predictor.from_checkpoint(best)
    assert (code, error) == (0, "")
    assert output == "".join(f"{path}: {predictor.predict(path)}\n" for path in pictures)


def test_one_bad_picture_does_not_hide_the_others(run, trained, pictures, tmp_path):
    bad = tmp_path / "letter.png"
    bad.write_text("Dear Sir")
    arguments = ["predict", pictures[0], bad, pictures[1], "--checkpoint", trained / "best.safetensors"]
    code, output, error = run(*arguments)
    assert code == 5
    assert [line.partition(": ")[0] for line in output.splitlines()] == [str(pictures[0]), str(pictures[1])]
    assert error.splitlines()[0].startswith(f"mnistkit: {bad} is not an image that can be read")
    assert error.splitlines()[1] == "mnistkit: 1 of 3 pictures could not be read"

    code, output, _ = run(*arguments, "--json")
    rows = json.loads(output)["predictions"]
    assert code == 5
    assert ["label" in row for row in rows] == [True, False, True]
    assert "is not an image that can be read" in rows[1]["error"]


def test_a_missing_picture_is_named(run, trained, tmp_path):
    code, output, error = run("predict", tmp_path / "none.png", "--checkpoint", trained / "last.safetensors")
    assert (code, output) == (5, "")
    assert f"there is no image file {tmp_path / 'none.png'}" in error


# ---- models, datasets, info -------------------------------------------------------------------------------------------


def test_models_zoo_says_of_the_weights_that_ship_what_they_can_and_what_they_cost(run, run_json):
    rows = {row["name"]: row for row in run_json("models", "--zoo")["zoo"]}
    assert rows.keys() == set(mnistkit.Classifier.list_pretrained())
    assert (rows["handwriting"]["parameters"], rows["handwriting"]["correct"]) == (194_042, 9_953)
    assert all(row["microseconds"] > 0 for row in rows.values())
    code, output, _ = run("models", "hand*", "--zoo")
    assert code == 0
    assert len(output.splitlines()) == 2
    assert output.splitlines()[1].startswith("handwriting    mnist test ")
    assert output.splitlines()[1].split()[3:7] == ["99.53%", "99.38%", "to", "99.65%"]
    code, _, error = run("models", "--zoo", "handwritting")
    assert code == 2
    assert "unknown weights 'handwritting'; did you mean 'handwriting'?" in error


def test_models_shows_parameters_and_multiplications(run, run_json):
    rows = run_json("models", "lenet*")["models"]
    assert [(row["name"], row["parameters"]) for row in rows] == [
        ("lenet1", 3_246), ("lenet4", 16_690), ("lenet5", 61_706)
    ]  # fmt: skip
    assert all(row["macs"] > row["parameters"] and row["description"] for row in rows)
    code, output, _ = run("models", "lenet*")
    assert code == 0
    assert output.splitlines()[0].split() == ["name", "parameters", "MACs"]
    assert output.splitlines()[5].split()[:2] == ["lenet5", "61,706"]
    assert output.splitlines()[6] == f"    {rows[2]['description']}"


def test_a_pattern_without_a_match_gets_a_suggestion(run):
    code, output, error = run("models", "lennet5")
    assert (code, output) == (2, "")
    assert "mnistkit: unknown model 'lennet5'; did you mean 'lenet5'? Available: " in error


def test_datasets_lists_licences_and_the_folder_of_downloads(run, run_json):
    report = run_json("datasets")
    rows = {row["name"]: row for row in report["datasets"]}
    assert list(rows) == list_datasets()
    assert [name for name in rows if rows[name]["bundled"]] == ["mnist"]
    assert rows["mnist"]["licence"] == "CC BY-SA 3.0"
    assert rows["fashion-mnist"]["classes"][0] == "T-shirt/top"
    assert report["folder"] == os.environ["MNISTKIT_HOME"]
    code, output, _ = run("datasets")
    assert code == 0
    for row in rows.values():
        assert f"{row['title']}, {len(row['classes'])} classes" in output
        assert f"{row['licence']}; {row['citation']}" in output
    assert output.endswith(f"Downloads are kept in {report['folder']}; MNISTKIT_HOME sets another folder.\n")


def test_info_says_what_a_training_file_holds(run, run_json, trained):
    last = trained / "last.safetensors"
    report = run_json("info", last)
    assert (report["file"], report["kind"], report["parameters"]) == (str(last), "training", 61_706)
    assert report["model"]["name"] == "lenet5"
    assert report["data"]["count"] == 200
    assert (report["progress"]["epoch"], report["progress"]["step"]) == (2, 26)
    assert report["versions"]["mnistkit"] == mnistkit.__version__
    assert report["metrics"]["epoch"] == 2
    code, output, _ = run("info", last)
    lines = dict(line.split(":", 1) for line in output.splitlines())
    assert code == 0
    assert lines["kind"].strip() == "training"
    assert lines["model"].strip().startswith("name lenet5, arguments activation relu, pool max")
    assert lines["classes"].split()[:2] == ["T-shirt/top", "Trouser"]
    assert "epoch 2, step 26" in lines["progress"]


def test_info_counts_the_marks_of_the_images_trained_on_and_gives_them_to_programs(run, run_json, tmp_path):
    file = tmp_path / "model.safetensors"
    mnistkit.Classifier.pretrained().save(file)
    marks = run_json("info", file)["data"]["marks"]
    assert len(marks) > 100
    assert f"marks {len(marks):,} values" in run("info", file)[1]


def test_info_of_a_plain_state_dict_shows_what_it_lacks(run, run_json, tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save(mnistkit.create_model("lenet1").state_dict(), weights)
    report = run_json("info", weights)
    assert (report["kind"], report["model"], report["parameters"]) == ("model", None, 3_246)
    lines = dict(line.split(":", 1) for line in run("info", weights)[1].splitlines())
    assert (lines["model"].strip(), lines["classes"].strip(), lines["progress"].strip()) == ("-", "-", "-")


@pytest.mark.parametrize("command", [["info"], ["evaluate"], ["predict", "x.png", "--checkpoint"]])
def test_a_missing_or_damaged_checkpoint_is_named(run, tmp_path, trained, command):
    missing, damaged = tmp_path / "none.safetensors", tmp_path / "cut.safetensors"
    damaged.write_bytes((trained / "best.safetensors").read_bytes()[:-100])
    assert run(*command, missing) == (4, "", f"mnistkit: there is no checkpoint {missing}\n")
    code, output, error = run(*command, damaged)
    assert (code, output) == (4, "")
    assert error.startswith(f"mnistkit: {damaged} is damaged or truncated")


# ---- real processes ---------------------------------------------------------------------------------------------------


def test_version_and_help_go_to_standard_output(capsys):
    for option, text in (("--version", f"mnistkit {mnistkit.__version__}\n"), ("--help", "usage: mnistkit [-h]")):
        with pytest.raises(SystemExit, match="0"):
            main([option])
        assert capsys.readouterr().out.startswith(text)


@pytest.mark.processes
def test_the_command_reports_every_model():
    done = subprocess.run([sys.executable, "-m", "mnistkit", "models", "--json"], capture_output=True, timeout=100)
    rows = {row["name"]: row for row in json.loads(done.stdout)["models"]}
    assert (done.returncode, done.stderr) == (0, b"")
    assert rows["mlp"]["parameters"] == 20_175
    assert all(row["description"] for row in rows.values())


@pytest.mark.processes
def test_output_that_finds_no_room_is_no_traceback(forked):
    with Path("/dev/full").open("w") as full:
        done = forked.run("-m", "mnistkit", "datasets", stdout=full.fileno())
        said = "mnistkit: cannot write to standard output: No space left on device\n"
        assert (done.returncode, done.stderr) == (8, said)
        assert forked.run("-m", "mnistkit", "info", "none", stderr=full.fileno()).returncode == 4
        assert forked.run("-m", "mnistkit", "--help", stdout=full.fileno()).returncode == 0


@pytest.mark.processes
def test_output_that_nobody_has_opened_is_no_traceback(monkeypatch):
    command = f"{sys.executable} -m mnistkit datasets <&- >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["info", "none"]) == 4


@pytest.mark.parametrize(
    "command",
    [
        ["info", "NAME"],
        ["evaluate", "NAME"],
        ["evaluate", "x", "--report", "NAME.json"],
        ["compare", "NAME.json", "NAME.json"],
        ["predict", "NAME"],
        ["predict", "PICTURE", "--csv", "NAME"],
        ["predict", "PICTURE", "--explain", "NAME"],
        ["read", "PICTURE", "--figure", "NAME.png"],
        ["train", "--epochs", "1", "--resume", "--dataset", "NAME"],
    ],
)
def test_no_name_ends_in_a_traceback(run, pictures, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name in ("a" * 300, "a/" * 3000, "a\0b", "\x1b[31m"):
        code, _, error = run(*(part.replace("NAME", name).replace("PICTURE", str(pictures[0])) for part in command))
        # A name of escapes is an ordinary file; the others cannot be.
        assert code in {0, 2, 3, 4, 5, 8}
        assert code or name.startswith("\x1b")
        assert "\x1b" not in error


@pytest.mark.processes
def test_a_reader_that_is_gone_ends_the_command_quietly(forked):
    reading, writing = os.pipe()
    os.close(reading)
    done = forked.run("-m", "mnistkit", "datasets", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
