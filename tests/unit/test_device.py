import platform

import pytest
import torch

from mnistkit import resolve_device
from mnistkit.device import DeviceReport, cpu_threads, device_report, set_cpu_threads
from mnistkit.errors import ConfigError


@pytest.fixture
def gpus(monkeypatch):
    """Say how many NVIDIA GPUs there are, and whether an Apple one."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)

    def choose(count, *, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    choose(0)
    return choose


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_the_cpu_is_always_there(device):
    assert resolve_device(device) == torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "mps", "device"), [(0, False, "cpu"), (0, True, "mps"), (2, False, "cuda:0"), (1, True, "cuda:0")]
)
def test_auto_is_the_best_that_there_is(count, mps, device, gpus):
    gpus(count, mps=mps)
    assert resolve_device() == resolve_device("auto") == torch.device(device)


@pytest.mark.parametrize("device", ["meta", "meta:0", torch.device("meta")])
def test_the_meta_device_is_refused_since_nothing_can_be_computed_there(device):
    with pytest.raises(ConfigError, match=r"device 'meta' holds no numbers.*; use 'auto' or 'cpu'"):
        resolve_device(device)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:-1", "CPU", "", None, 1.5, ["cpu"]])
def test_what_is_no_device_is_refused_with_what_is(device):
    with pytest.raises(ConfigError) as error:
        resolve_device(device)
    assert (
        str(error.value) == f"{device!r} is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1', 'mps' or a torch.device"
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_a_gpu_that_is_not_there_says_why(device, gpus, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(ConfigError) as error:
        resolve_device(device)
    assert str(error.value) == (
        f"device '{device}' is not available: torch {torch.__version__} finds no working NVIDIA GPU or driver; "
        "use 'auto' or 'cpu'"
    )
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(
        ConfigError, match=f"^device '{device}' is not available: this torch has no CUDA; use 'auto' or 'cpu'$"
    ):
        resolve_device(device)


def test_a_gpu_beyond_the_last_is_refused_with_how_many_there_are(gpus):
    gpus(2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(
        ConfigError, match=r"^device 'cuda:2' is not there: this machine has 2 GPU\(s\), 'cuda:0' to 'cuda:1'$"
    ):
        resolve_device("cuda:2")


def test_each_process_of_torchrun_gets_its_own_gpu(gpus, monkeypatch):
    gpus(4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 3)
    assert [resolve_device(f"cuda:{index}").index for index in range(4)] == [0, 1, 2, 3]
    monkeypatch.setenv("LOCAL_RANK", "4")
    with pytest.raises(ConfigError, match=r"^device 'cuda:4' is not there: this machine has 4 GPU"):
        resolve_device("cuda")


def test_apples_gpu_is_only_on_apples_machines(gpus):
    with pytest.raises(
        ConfigError, match=r"^device 'mps' is not available: it needs an Apple GPU; use 'auto' or 'cpu'$"
    ):
        resolve_device("mps")
    gpus(0, mps=True)
    assert resolve_device("mps") == torch.device("mps")


@pytest.mark.parametrize("device", ["xpu", "xla", "hpu", "vulkan", "mtia:1"])
def test_a_backend_that_torch_only_knows_by_name_is_refused(device):
    with pytest.raises(ConfigError, match=f"^device '{device}' is not available here; use 'auto' or 'cpu'$"):
        resolve_device(device)


def test_threads_can_be_set_and_read():
    before = cpu_threads()
    try:
        set_cpu_threads(2)
        assert cpu_threads() == torch.get_num_threads() == 2
    finally:
        set_cpu_threads(before)
    assert cpu_threads() == before


@pytest.mark.parametrize("count", [0, -1])
def test_no_threads_at_all_is_refused(count):
    with pytest.raises(ConfigError, match=f"^got {count} threads; at least 1 is needed$"):
        set_cpu_threads(count)


def test_the_report_says_what_this_machine_computes_with(gpus):
    report = device_report()
    assert report == DeviceReport(
        torch=torch.__version__,
        python=platform.python_version(),
        cpu=platform.machine(),
        cpu_threads=torch.get_num_threads(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        gpus=(),
        chosen="cpu",
    )
    assert str(report).splitlines()[2:] == ["GPUs: none", "device 'auto' is 'cpu'"]


def test_the_report_names_every_gpu(gpus):
    gpus(2)
    assert str(device_report()).splitlines()[2:] == ["GPUs: GPU number 0, GPU number 1", "device 'auto' is 'cuda:0'"]
    gpus(0, mps=True)
    assert str(device_report()).splitlines()[2:] == ["GPUs: Apple MPS", "device 'auto' is 'mps'"]
