"""Which device, which precision: by what is here and by what the reader asks for."""

import pytest
import torch

from carvana_lessons import course
from carvana_lessons.utils.device import (
    autocast,
    enough_memory,
    find_device,
    find_precision,
    inference_layout,
    inference_precision,
    layout_for,
    move,
)
from carvana_lessons.utils.errors import CarvanaError


@pytest.mark.parametrize(
    ("gpu", "capability", "precision"),
    [("V100", (7, 0), "fp16"), ("T4", (7, 5), "fp16"), ("A100", (8, 0), "bf16"), ("L4", (8, 9), "bf16")],
)
def test_capability_decides_and_not_what_is_emulated(fake_cuda, gpu, capability, precision):
    fake_cuda(capability)
    assert torch.cuda.is_bf16_supported() and find_device() == "cuda"
    assert find_precision("cuda") == precision


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_without_cuda_it_is_float32(device):
    assert find_precision(device) == inference_precision(device) == "no"


def test_every_cuda_gpu_answers_in_float16():
    assert inference_precision("cuda") == "fp16"


def test_the_setting_wins_over_what_is_here(fake_cuda, monkeypatch):
    fake_cuda((8, 0))
    assert find_device() == "cuda"
    monkeypatch.setenv("CARVANA_DEVICE", "CPU ")
    assert find_device() == "cpu"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gpu", "'gpu'; set it to cpu, cuda, mps"),
        ("cuda", "torch finds no such device here; unset it or set it to cpu"),
    ],
)
def test_a_device_that_is_none_or_not_here_is_refused(monkeypatch, setting, words):
    monkeypatch.setenv("CARVANA_DEVICE", setting)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CarvanaError, match=words):
        find_device()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision_that_was_asked_for(precision, dtype):
    with autocast("cpu", precision):
        assert torch.nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2)).dtype == dtype
    with pytest.raises(ValueError, match="'fp8'; take no, bf16, fp16"):
        autocast("cpu", "fp8")


@pytest.mark.parametrize(("capability", "said"), [((7, 5), "cuda, fp16"), ((8, 0), "cuda, bf16")])
def test_the_first_line_of_a_chapter_tells_it(make_folder, monkeypatch, fake_cuda, capsys, capability, said):
    monkeypatch.setenv("CARVANA_DATA", str(make_folder()))
    course.start("02-u-net")
    assert "device cpu, float32 ·" in capsys.readouterr().out
    fake_cuda(capability)
    course.start("02-u-net")
    assert f"device {said} mixed precision ·" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("device", "layout"),
    [("cpu", torch.channels_last), ("cuda", torch.channels_last), ("mps", torch.contiguous_format)],
)
def test_apple_keeps_the_usual_order_in_memory(device, layout):
    device, thin = torch.device(device), torch.nn.Conv2d(3, 8, 3)
    assert inference_layout(device) == layout_for(thin, device) == layout


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "Unable to find an engine to execute this computation",
        "MPS backend out of memory (MPS allocated: 9 GB)",
    ],
)
def test_a_full_gpu_is_one_sentence_whichever_library_notices(text):
    class Full(torch.nn.Module):
        def to(self, *given, **named):
            raise RuntimeError(text)

    with pytest.raises(CarvanaError, match="memory of cuda is too small for this network; end what else uses it"):
        move(Full(), "cuda")
    with (
        pytest.raises(CarvanaError, match="batches of 2 photos of 4×6; wait"),
        enough_memory("cuda", torch.zeros(2, 3, 4, 6), "wait"),
    ):
        raise RuntimeError(text)
