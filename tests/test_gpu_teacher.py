"""What of the GPU benchmark can be held to account without a GPU: that both ways agree."""

from pathlib import Path

import pytest
import torch

from benchmarks import gpu_teacher
from benchmarks.gpu_teacher import (
    Example,
    build,
    check,
    examples,
    flops,
    packed_losses,
    packs,
)
from eisv_lumen.core.files import read_json


def test_the_loss_of_packed_examples_is_that_of_padded_ones():
    packed, padded = check()
    torch.testing.assert_close(packed, padded, rtol=1e-4, atol=1e-5)


def test_the_check_would_notice_examples_that_see_each_other(monkeypatch):
    def blind(*args, **lengths):
        whole = torch.tensor([0, args[1].shape[2]])
        return gpu_teacher.packed_attention(*args, **{**lengths, "cu_seq_lens_q": whole})

    monkeypatch.setitem(gpu_teacher.AttentionInterface._global_mapping, "packed", blind)
    packed, padded = check()
    assert float((packed - padded).abs().mean()) > 0.1 * float(padded.mean())


def test_rows_hold_every_example_once_and_no_more_than_they_may():
    batch = [Example(torch.full((n,), n), 0) for n in (5, 9, 1, 7, 3, 9, 2)]
    rows = packs(batch, 10)
    assert sorted(len(e.ids) for row in rows for e in row) == sorted(len(e.ids) for e in batch)
    assert all(sum(len(e.ids) for e in row) <= 10 for row in rows)
    assert len(rows) == 4  # 36 tokens: no packing needs fewer


def test_flops_are_those_that_pytorch_counts():
    """Of one example, packed: a step forward and backward, counted as it is computed."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model = build("check", "packed", torch.float32, "cpu", lora=False)
    batch = examples(1, 500, 160)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        packed_losses(model, batch, "cpu").sum().backward()
    layers, wide, n = 2, 4 * 32, len(batch[0].ids)
    above = 6 * layers * wide * n**2  # half of the mask's square, which is computed here, too
    assert flops(model, "check", batch, all_labels=False) + above == pytest.approx(
        counter.get_total_flops(), rel=1e-3
    )


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_an_out_that_cannot_be_written_is_refused_before_the_work(
    monkeypatch, capsys, tmp_path, options
):
    monkeypatch.setattr("sys.argv", ["gpu_teacher", *options, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        gpu_teacher.main()
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert f"argument --out: {tmp_path}: is a folder; name a file" in said.err
    assert not said.out


def test_what_the_check_writes_is_the_sample_that_is_shown(monkeypatch, tmp_path):
    out = tmp_path / "gpu_check.json"
    monkeypatch.setattr("sys.argv", ["gpu_teacher", "--check", "--out", str(out)])
    with pytest.raises(SystemExit) as stopped:
        gpu_teacher.main()
    assert not stopped.value.code
    sample = read_json(Path(__file__).parents[1] / "results" / "bench" / "gpu_check.json")
    made = read_json(out)
    assert made.keys() == sample.keys() and made["device"] == "cpu"
    for row, shown in zip(made["rows"], sample["rows"], strict=True):
        assert (row["what"], row["unit"], row["passed"]) == (
            shown["what"], shown["unit"], shown["passed"]
        )  # fmt: skip
