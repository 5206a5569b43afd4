"""Takes one defence after another out of a copy of the code; a test must then fail: `python -m tests.hostile.mutations`.

Each mutation names the file, the text that is the defence, what stands there instead, and the test that must see it. A text that
is not found exactly once is an error too: the list is to be kept up with the code.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "examples", "conftest.py", "pyproject.toml")


class Mutation(NamedTuple):
    name: str
    file: str
    text: str
    instead: str
    test: str


MUTATIONS = [
    Mutation(
        "what is no file is replaced",
        "_core/files.py",
        "    _require_regular(there)\n    if not os.access",
        "    if not os.access",
        "tests/unit/core/test_files.py -k what_is_no_file",
    ),
    Mutation(
        "a link is replaced instead of followed",
        "_core/files.py",
        "target = Path(os.path.realpath(path))",
        "target = Path(os.path.abspath(path))",
        "tests/unit/core/test_files.py -k a_link_stays",
    ),
    Mutation(
        "temporary names can be foreseen",
        "_core/files.py",
        "os.urandom(8).hex()",
        '"0" * 16',
        "tests/unit/core/test_files.py -k cannot_be_foreseen",
    ),
    Mutation(
        "the mode of a file is lost",
        "_core/files.py",
        "    os.fchmod(descriptor, stat.S_IMODE(there.st_mode))\n",
        "",
        "tests/unit/core/test_files.py -k the_mode_of_a_file",
    ),
    Mutation(
        "a file is not synced",
        "_core/files.py",
        "            os.fsync(file.fileno())\n",
        "",
        "tests/unit/core/test_files.py -k synced",
    ),
    Mutation(
        "the folder is not synced",
        "_core/files.py",
        "    _sync_folder(target.parent)\n",
        "",
        "tests/unit/core/test_files.py -k synced",
    ),
    Mutation(
        "half a file stays after an error",
        "_core/files.py",
        "        temporary.unlink(missing_ok=True)\n        raise",
        "        raise",
        "tests/unit/core/test_files.py -k ctrl_c",
    ),
    Mutation(
        "what killed processes left stays",
        "_core/files.py",
        "    _remove_leftovers(folder)\n",
        "",
        "tests/unit/core/test_files.py -k killed",
    ),
    Mutation(
        "files that are being written are removed",
        "_core/files.py",
        "if stat.S_ISREG(os.fstat(descriptor).st_mode) and try_lock(descriptor):",
        "if stat.S_ISREG(os.fstat(descriptor).st_mode):",
        "tests/unit/core/test_files.py -k killed",
    ),
    Mutation(
        "escapes reach the terminal",
        "_core/text.py",
        'character.encode("unicode_escape").decode()',
        "character",
        "tests/unit/core/test_text.py",
    ),
    Mutation(
        "formulas reach the sheet",
        "_core/text.py",
        """return f"'{cell}" if cell.startswith(_FORMULA) else cell""",
        "return cell",
        "tests/unit/core/test_text.py",
    ),
    Mutation(
        "two runs share a folder",
        "_core/locks.py",
        "            if not locked:\n",
        "            if False:\n",
        "tests/unit/callbacks/test_checkpoint.py",
    ),
    Mutation(
        "the process group is not left",
        "distributed.py",
        "            dist.destroy_process_group()\n",
        "            pass\n",
        "tests/distributed tests/unit/test_distributed.py",
    ),
    Mutation(
        "a lost rank is an error of torch's own",
        "distributed.py",
        "except RuntimeError as error:",
        "except LookupError as error:",
        "tests/distributed/test_losing_a_rank.py -k dies",
    ),
    Mutation(
        "a folder of another run is taken by one that is resumed",
        "callbacks/checkpoint.py",
        "return History(saved.history).agrees_with(trainer.state.history)",
        "return True",
        "tests/unit/callbacks/test_checkpoint.py -k resumed_from_elsewhere",
    ),
    Mutation(
        "a table of another run is replaced",
        "callbacks/csv_logger.py",
        "if self.overwrite or not",
        "if True or not",
        "tests/unit/callbacks/test_csv_logger.py -k earlier_file",
    ),
    Mutation(
        "a checkpoint has as much made as it says",
        "checkpoint/building.py",
        "if self._operations < 0 or self._bytes < 0:",
        "if False:",
        "tests/unit/test_checkpoint_bounds.py -k looks_at_numbers",
    ),
    Mutation(
        "an archive is unpacked whatever its size",
        "checkpoint/foreign.py",
        "if sum(record.file_size for record in archive.infolist()) > len(data):",
        "if False:",
        "tests/unit/test_checkpoint_bounds.py -k not_unpacked",
    ),
    Mutation(
        "bits that changed are not noticed",
        "checkpoint/header.py",
        "if _checksum(data, place.start(1)) != place[1]:",
        "if False:",
        "tests/unit/test_checkpoint_bounds.py -k no_bit",
    ),
    Mutation(
        "pictures have no limit of pixels",
        "imaging/load.py",
        "if width * height > MAX_PIXELS:",
        "if False:",
        "tests/unit/imaging/test_load.py -k limit_counts_pixels",
    ),
    Mutation(
        "PostScript is run",
        "imaging/load.py",
        "    _refuse_programs(picture)\n",
        "",
        "tests/unit/imaging/test_load.py -k postscript",
    ),
    Mutation(
        "threads share one request of OpenVINO's",
        "backends.py",
        "own = threading.local()",
        'own = type("Shared", (), {})()',
        "tests/unit/test_backends.py -k threads_that_share",
    ),
    Mutation(
        "a forked child waits for torch's threads",
        "device.py",
        "os.register_at_fork(after_in_child=_one_thread)",
        "pass",
        "tests/processes/test_fork.py",
    ),
    Mutation(
        "test images are not known by what they show",
        "data/split_guard.py",
        "            if found:\n                raise",
        "            if False:\n                raise",
        "tests/contract/test_honest_doors.py",
    ),
    Mutation(
        "test sets are not known by their name",
        "data/split_guard.py",
        'if dataset.split == "test":',
        "if False:",
        "tests/contract/test_honest_doors.py tests/unit/training/test_checks.py",
    ),
    Mutation(
        "a resumed run forgets its random numbers",
        "training/run.py",
        "            set_generator_states(generators, trainer.device)\n",
        "            pass\n",
        "tests/property/test_training.py -k killed_at_any_moment",
    ),
]


def passes(folder: Path, test: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *test.split()]
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise RuntimeError(f"pytest could not run {test}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.returncode == 0


def seen(folder: Path, mutation: Mutation) -> str:
    """What is wrong with this mutation; nothing if its test fails, and only then."""
    file = folder / "src" / "mnistkit" / mutation.file
    whole = file.read_text(encoding="utf-8") if file.exists() else ""
    if whole.count(mutation.text) != 1:
        return f"its text is {whole.count(mutation.text)} times in {mutation.file}"
    if not passes(folder, mutation.test):
        return "its test fails without it"
    file.write_text(whole.replace(mutation.text, mutation.instead), encoding="utf-8")
    try:
        return "no test sees it" if passes(folder, mutation.test) else ""
    finally:
        file.write_text(whole, encoding="utf-8")


def main() -> int:
    chosen = [
        mutation for mutation in MUTATIONS if not sys.argv[1:] or any(word in mutation.name for word in sys.argv[1:])
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as root:
        for part in COPIED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, Path(root) / part)
        for mutation in chosen:
            wrong = seen(Path(root), mutation)
            failed += bool(wrong)
            print(f"{mutation.name}: {wrong or 'seen'}", flush=True)
    print(f"{len(chosen)} tried, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
