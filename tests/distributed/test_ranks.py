"""Two real processes of one run, talking over Gloo."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from mnistkit import Trainer
from mnistkit.checkpoint import read_checkpoint
from mnistkit.errors import CheckpointMismatchError

WORKER = Path(__file__).with_name("worker.py")

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def worker():
    return SimpleNamespace(**runpy.run_path(str(WORKER)))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, two):
    """What the two processes left behind; they are started once for all tests."""
    folder = tmp_path_factory.mktemp("ranks")
    with two(WORKER, folder) as processes:
        written = [process.communicate() for process in processes]
    begun = sorted(path.name for path in folder.glob("*.begun"))
    assert [process.returncode for process in processes] == [0, 0], f"{begun}\n{written}"
    return SimpleNamespace(
        folder=folder,
        written=written,
        tensors=[load_file(folder / f"rank{rank}.safetensors") for rank in (0, 1)],
        results=[json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)],
    )


def part(tensors, name):
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def assert_same_bits(one, other):
    assert one
    assert one.keys() == other.keys()
    assert [name for name in one if one[name].numpy().tobytes() != other[name].numpy().tobytes()] == []


@pytest.mark.parametrize(
    "name",
    [
        "straight",
        "resumed",
        "resumed_inside",
        "as_one_process",
        "averaged_without_validation",
        "loaders_of_different_lengths",
        "time_limit",
        "lbfgs",
        "sam",
        "gan",
        "figures",
    ],
)
def test_both_ranks_end_with_the_same_bits(ranks, name):
    assert_same_bits(part(ranks.tensors[0], name), part(ranks.tensors[1], name))
    assert ranks.results[0][name]["history"] == ranks.results[1][name]["history"]


def test_training_went_on_to_the_end(ranks):
    # 301 images: 150 for each process, 10 batches of up to 16, two in each update.
    assert ranks.results[0]["straight"]["step"] == 2 * 5
    assert [row["epoch"] for row in ranks.results[0]["straight"]["history"]] == [1, 2]


@pytest.mark.parametrize("name", ["resumed", "resumed_inside"])
def test_resuming_is_exact_between_epochs_and_inside_one(ranks, name):
    for rank in (0, 1):
        assert_same_bits(part(ranks.tensors[rank], "straight"), part(ranks.tensors[rank], name))
    assert ranks.results[0][name]["history"] == ranks.results[0]["straight"]["history"]
    files = [ranks.folder / each / "last.safetensors" for each in ("straight", name)]
    assert_same_bits(load_file(files[0]), load_file(files[1]))


def test_a_state_that_each_process_has_for_itself_is_its_own_again(ranks):
    seen = [[results[name]["seen"] for results in ranks.results] for name in ("straight", "resumed_inside")]
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[0][1]


def test_evaluating_an_odd_number_of_images_equals_one_process(ranks, worker):
    trainer = Trainer(worker.batch_norm_net(), progress=False)
    trainer.model.load_state_dict(part(ranks.tensors[0], "straight"))
    alone, together = trainer.evaluate(worker.data()[1]), ranks.results[1]["straight"]
    assert (together["correct"], together["count"]) == (alone.score.correct, 97)
    assert together["loss"] == pytest.approx(alone.loss, rel=1e-6)


def test_two_processes_take_the_same_steps_as_one_with_twice_the_batch(ranks, worker):
    train, validation = worker.data()
    alone = worker.plain_trainer(batch_size=30)
    history = alone.fit(train[:300], validation, epochs=2)
    together = part(ranks.tensors[0], "as_one_process")
    for name, weight in alone.model.state_dict().items():
        torch.testing.assert_close(together[name], weight, rtol=1e-5, atol=1e-6)
    for row, expected in zip(ranks.results[0]["as_one_process"]["history"], history, strict=True):
        assert row == pytest.approx(expected, rel=1e-5)


def test_an_optimizer_without_gradients_stays_idle_as_in_one_process(ranks):
    assert [results["gan"]["idle"] for results in ranks.results] == [0, 0]


def test_a_metric_that_is_no_mean_is_that_of_all_images(ranks, worker):
    trainer = Trainer(worker.plain_net(), metrics={"spread": worker.Spread()}, progress=False)
    trainer.model.load_state_dict(part(ranks.tensors[0], "figures"))
    alone = trainer.evaluate(worker.data()[1]).metrics["spread"]
    assert [results["figures"]["whole"] for results in ranks.results] == pytest.approx([alone] * 2)
    # One validation image: the other rank had none, and knows neither the metric's shape nor its value.
    assert all("val_spread" in results["figures"]["history"][0] for results in ranks.results)
    assert [results["figures"]["history"][0]["train_rank"] for results in ranks.results] == [0.5, 0.5]


def test_data_that_every_rank_gets_alike_is_refused(ranks):
    for results in ranks.results:
        for name in ("fit", "evaluate", "fit_with_own_generator"):
            kind, message = results[f"not_shared_{name}"]
            assert kind == "DataError"
            assert "every one of 2 processes got the same data from DataLoader" in message
            assert "loader of your own that asks World.current()" in message
        assert results["shared_by_a_sampler"] == 3


def test_a_rank_without_a_validation_batch_does_not_hang(ranks):
    (row,) = ranks.results[1]["one_validation_image"]["history"]
    assert row["val_accuracy"] in (0.0, 1.0)
    assert ranks.results[0]["one_validation_image"] == ranks.results[1]["one_validation_image"]


def test_loaders_of_different_lengths_take_the_steps_of_the_shorter(ranks):
    assert ranks.results[0]["loaders_of_different_lengths"]["step"] == 2 * 3


def test_one_rank_whose_time_is_up_stops_both_at_the_same_step(ranks):
    for results in ranks.results:
        assert results["time_limit"]["step"] == 1
        assert results["time_limit"]["stop_reason"].startswith("the time limit of 1e")


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (
            "too_few_images",
            "DataError",
            "1 images of 1x28x28, 10 classes) has too few images: expected at least one for",
        ),
    ],
)
def test_every_rank_refuses_with_the_same_clear_error(ranks, name, error, text):
    assert ranks.results[0][name] == ranks.results[1][name]
    assert ranks.results[0][name][0] == error
    assert text in ranks.results[0][name][1]


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("written_into_a_folder", "WriteError", "straight"),
        ("a_folder_that_is_taken", "ConfigError", "another run is writing into"),
        ("a_table_of_another_run", "ConfigError", "history.csv is there already, and not of this run"),
    ],
)
def test_what_rank_0_cannot_write_ends_the_others_too(ranks, name, error, text):
    (kind, message), (_, other) = (results[name] for results in ranks.results)
    assert kind == error
    assert text in message
    assert "rank 0" in other
    assert "its own error says why" in other
    assert ranks.results[0]["released"] == ranks.results[1]["released"] == 1


def test_what_rank_0_writes_at_the_end_is_there_for_every_rank_when_fit_returns(ranks):
    assert [results["written_at_the_end"] for results in ranks.results] == ["by rank 0", "by rank 0"]


def test_a_run_leaves_the_group_that_it_joined_and_no_other(ranks):
    assert [results["group"] for results in ranks.results] == [[False, False, True]] * 2


def test_only_rank_0_prints(ranks):
    (output, errors), other = ranks.written
    assert "epoch 2/2  train_loss" in errors
    assert (output, *other) == ("", "", "")


def test_only_rank_0_writes_and_leaves_nothing_half_written(ranks):
    assert sorted(path.name for path in (ranks.folder / "straight").iterdir()) == [
        "best.safetensors",
        "history.csv",
        "last.safetensors",
    ]


def test_weights_are_saved_without_a_wrapper_s_prefix(ranks, worker):
    content = read_checkpoint(ranks.folder / "straight" / "best.safetensors")
    assert content.weights.keys() == worker.batch_norm_net().state_dict().keys()


def test_one_process_does_not_resume_what_two_began(ranks, worker, tmp_path):
    train, validation = worker.data()
    with pytest.raises(CheckpointMismatchError, match="processes: 2 in the file, 1 now"):
        worker.full_trainer(tmp_path).fit(
            train, validation, epochs=2, resume=ranks.folder / "straight" / "last.safetensors"
        )
