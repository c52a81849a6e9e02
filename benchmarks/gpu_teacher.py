"""Training and decoding on a GPU, our way beside the study's, in one process.

    python -m benchmarks.gpu_teacher --check                       # CPU, seconds: the losses agree
    python -m benchmarks.gpu_teacher --check --out results/bench/gpu_check.json
    python -m benchmarks.gpu_teacher --out results/bench/gpu.json  # CUDA, about ten minutes

No GPU was ever lent to this project, so none of the timed part has run, and there is no `gpu.json`:
`--check` is all of it that has. What it writes, `results/bench/gpu_check.json`, is shown in
`benchmarks/README.md` as a sample of the form. Expected on one H100 or H200: a row a shape for each
figure below, and two verdicts a shape, tokens per second ours / study's >= 3 and model FLOPs
utilisation >= 40 %. Before anything is timed, the loss of packed examples is compared with that of
the same padded ones, and a difference stops the run.

What is timed is the best case of the recipe, not `teacher train`: a loop written here, which packs
examples. `teacher train` refuses `packing`, since examples would see each other under an attention
that is not told where each begins, and pads a batch to its longest example. The last rows alone,
"from scratch", are of the package's own trainer.

Ours: bfloat16, the loss on answers alone and the head at their places alone, examples packed by
best fit into rows without padding, attention by a kernel that is told where each begins, the
optimizer's step fused. The study's: float32, each example padded to 512 tokens, the loss on all of
them, the optimizer as it comes. Both take the same examples, 16 a step, in the lengths of the
study's prompts; a token counts once, padding never. Weights are random: Qwen3-4B's are not to be
had offline, and speed does not depend on them. `qwen3-4b` is tuned by LoRA, as recipe v4 says;
`small` is trained whole, and then learns in earnest by the package's own trainer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from peft import get_peft_model
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, Qwen3Config, Qwen3ForCausalLM

from eisv_lumen.core.files import write_json
from eisv_lumen.evaluation.report import installed_versions
from eisv_lumen.teacher.data.shared_prefix import IGNORED
from eisv_lumen.teacher.data.windows import recipe_corpora, recipe_examples
from eisv_lumen.teacher.prompt.messages import SYSTEM
from eisv_lumen.teacher.recipe import DataRecipe, Recipe, load_recipe, lora_config
from eisv_lumen.teacher.training.train import train

from .timing import Row, results_file

FIELDS: dict[str, dict[str, Any]] = {
    "check": {
        "vocab_size": 500, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
        "initializer_range": 0.3,  # so that what a token sees shows in the loss
    },
    "small": {
        "vocab_size": 32_000, "hidden_size": 512, "intermediate_size": 2048,
        "num_hidden_layers": 12, "num_attention_heads": 8, "num_key_value_heads": 4,
        "head_dim": 64, "tie_word_embeddings": True,
    },
    "qwen3-4b": {
        "vocab_size": 151_936, "hidden_size": 2560, "intermediate_size": 9728,
        "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 128, "tie_word_embeddings": True,
    },
}  # fmt: skip
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "B200": 2250e12}
"""Dense bfloat16 FLOP/s, tensor cores, by NVIDIA's data sheets."""

STEP, PADDED, ANSWER = 16, 512, 24


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt and its answer; the answer begins at `answer`."""

    ids: torch.Tensor
    answer: int


def examples(count: int, vocabulary: int, longest: int = PADDED, seed: int = 0) -> list[Example]:
    """Return random tokens in the lengths of the study's examples.

    Qwen3 gives each digit, word and mark a token; so many pieces has a prompt here.
    """
    data = DataRecipe(source="synthetic", style="study", per_shape=max(count // 7, 10), seed=seed)
    prompts = recipe_corpora(data, ["train"])["train"].prompts
    rng = np.random.default_rng(seed)
    found = []
    for i in rng.permutation(len(prompts))[:count]:
        pieces = len(re.findall(r"\d|[^\W\d]+|[^\w\s]+|\n", SYSTEM + prompts[i]))
        prompt = min(pieces, longest - ANSWER)
        ids = torch.from_numpy(rng.integers(3, vocabulary, prompt + ANSWER))
        found.append(Example(ids, prompt))
    return found


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each example of one packed row: (1, heads, tokens, width).

    On CUDA by PyTorch's own variable-length flash kernel; elsewhere, for the check, by a mask.
    """
    assert cu_seq_lens_q is not None
    if query.is_cuda:
        q, k, v = (x[0].transpose(0, 1).to(torch.bfloat16) for x in (query, key, value))
        ends = cu_seq_lens_q
        found = varlen_attn(
            q, k, v, ends, ends, max_length_q, max_length_q,
            scale=scaling, window_size=(-1, 0), enable_gqa=True,
        )  # fmt: skip
        return found[None].to(query.dtype), None
    place = torch.arange(query.shape[2])
    example = torch.bucketize(place, cu_seq_lens_q, right=True)
    sees = (example[:, None] == example) & (place[:, None] >= place)
    out = scaled_dot_product_attention(
        query, key, value, attn_mask=sees, scale=scaling, enable_gqa=True
    )
    return out.transpose(1, 2), None


AttentionInterface.register("packed", packed_attention)
AttentionMaskInterface.register("packed", lambda *args, **kwargs: None)


def build(shape: str, attention: str, dtype: torch.dtype, device: str, lora: bool) -> Any:
    """Build a model with random weights; with LoRA, the base is frozen in `dtype`."""
    torch.manual_seed(0)
    config = Qwen3Config(**FIELDS[shape], attn_implementation=attention)
    with torch.device(device):
        # Where all is trained, weights stay in float32 and autocast computes in bfloat16.
        torch.set_default_dtype(dtype if lora else torch.float32)
        try:
            model: Any = Qwen3ForCausalLM(config)
        finally:
            torch.set_default_dtype(torch.float32)
    if lora:
        model = get_peft_model(model, lora_config(load_recipe("v4")))
    return model.train()


def packs(batch: Sequence[Example], longest: int) -> list[list[Example]]:
    """Pack examples into rows of at most `longest` tokens, each where it fits best."""
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in sorted(batch, key=lambda e: -len(e.ids)):
        fits = [k for k, left in enumerate(room) if left >= len(example.ids)]
        k = min(fits, key=lambda k: room[k]) if fits else len(rows)
        if k == len(rows):
            rows.append([])
            room.append(longest)
        rows[k].append(example)
        room[k] -= len(example.ids)
    return rows


def packed_losses(model: Any, row: Sequence[Example], device: str) -> torch.Tensor:
    """Return the cross-entropy of each answer's token of one packed row."""
    lengths = torch.tensor([len(e.ids) for e in row])
    ends = torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0).to(torch.int32)])
    ids = torch.cat([e.ids for e in row])
    places = torch.cat([torch.arange(n) for n in lengths.tolist()])
    labels = torch.cat(
        [torch.where(torch.arange(len(e.ids)) < e.answer, IGNORED, e.ids) for e in row]
    )
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    states = inner.model(
        input_ids=ids[None].to(device),
        position_ids=places[None].to(device),
        cu_seq_lens_q=ends.to(device),
        cu_seq_lens_k=ends.to(device),
        max_length_q=int(lengths.max()),
        max_length_k=int(lengths.max()),
        use_cache=False,
    ).last_hidden_state[0]
    before = (labels[1:] != IGNORED).nonzero()[:, 0].to(device)
    logits = inner.lm_head(states[before])
    return cross_entropy(logits.float(), labels[1:].to(device)[before], reduction="none")


def padded_losses(
    model: Any, batch: Sequence[Example], device: str, width: int, *, answers_alone: bool = False
) -> torch.Tensor:
    """Return the cross-entropies of padded examples: of all tokens, as in the study."""
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    mask = torch.zeros_like(ids)
    for row, e in enumerate(batch):
        n = len(e.ids)
        ids[row, :n], mask[row, :n] = e.ids, 1
        first = e.answer if answers_alone else 1
        labels[row, first:n] = e.ids[first:]
    logits = model(ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
    found = cross_entropy(
        logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten().to(device), reduction="none"
    )
    return found[labels[:, 1:].flatten().to(device) != IGNORED]


def check(device: str = "cpu", width: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses of answers' tokens, packed and padded, by the same weights."""
    whole = examples(12, FIELDS["check"]["vocab_size"], width)
    batch = [Example(e.ids[5 * k :], e.answer - 5 * k) for k, e in enumerate(whole)]
    rows = packs(batch, 3 * width)
    with torch.no_grad():
        model = build("check", "packed", torch.float32, device, lora=False).eval()
        packed = torch.cat([packed_losses(model, row, device) for row in rows])
        model = build("check", "sdpa", torch.float32, device, lora=False).eval()
        same = [example for row in rows for example in row]
        padded = padded_losses(model, same, device, width, answers_alone=True)
    return packed.cpu(), padded.cpu()


def parameters(model: Any) -> tuple[int, int]:
    """Return how many weights a token is multiplied by, and how many of them are trained."""
    inner = [(n, p) for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    inner = [(n, p) for n, p in inner if "lm_head" not in n]
    return sum(p.numel() for _, p in inner), sum(p.numel() for _, p in inner if p.requires_grad)


def flops(model: Any, shape: str, batch: Sequence[Example], *, all_labels: bool) -> float:
    """Return what a training step has to compute, padding aside (Kaplan et al. 2020, appendix B).

    Two a weight and token forward, two for gradients of states, two for gradients of weights where
    these are trained; causal attention at half of its square.
    """
    multiplied, trained = parameters(model)
    f = FIELDS[shape]
    tokens = sum(len(e.ids) for e in batch)
    labels = tokens if all_labels else ANSWER * len(batch)
    wide = f["num_attention_heads"] * f["head_dim"]
    square = sum(len(e.ids) ** 2 for e in batch)
    attention = 6 * f["num_hidden_layers"] * wide * square  # 2 products, 2 FLOPs, a half, times 3
    head = (6 if trained == multiplied else 4) * f["vocab_size"] * f["hidden_size"] * labels
    return (4 * multiplied + 2 * trained) * tokens + attention + head


def measure(step: Callable[[int], None], steps: int, device: str) -> tuple[float, float]:
    """Return seconds a step, after two to warm up, and the peak of memory [bytes]."""
    for i in range(2):
        step(i)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    for i in range(steps):
        step(i)
    torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / steps, float(torch.cuda.max_memory_allocated(device))


def train_rows(shape: str, device: str, steps: int, peak: float | None) -> list[Row]:
    """Train both ways; return the rows of a shape."""
    lora = shape == "qwen3-4b"
    batches = [examples(STEP, FIELDS[shape]["vocab_size"], seed=k) for k in range(4)]
    useful = float(np.mean([sum(len(e.ids) for e in batch) for batch in batches]))
    rows, speed = [], {}
    for way in ("ours", "study"):
        ours = way == "ours"
        dtype = torch.bfloat16 if ours else torch.float32
        model = build(shape, "packed" if ours else "sdpa", dtype, device, lora)
        if lora and not ours:
            model.enable_input_require_grads()
            model.activation_checkpointing_enable()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True if ours else None)
        losses: list[float] = []

        def step(
            i: int, ours: bool = ours, model: Any = model, optimizer: Any = optimizer,
            losses: list[float] = losses,
        ) -> None:  # fmt: skip
            batch = batches[i % len(batches)]
            optimizer.zero_grad(set_to_none=True)
            if ours:
                with torch.autocast(device, torch.bfloat16):
                    for row in packs(batch, STEP * PADDED):
                        (packed_losses(model, row, device).sum() / (ANSWER * STEP)).backward()
            else:
                for at in range(0, STEP, 2):  # 2 a device, accumulated 8 times, as in recipe v4
                    (
                        padded_losses(model, batch[at : at + 2], device, PADDED).sum() / useful
                    ).backward()
            optimizer.step()

        seconds, memory = measure(step, steps, device)
        speed[way] = useful / seconds
        rows += [
            Row(f"{shape}, training, {way}: useful tokens", speed[way], "tokens/s"),
            Row(f"{shape}, training, {way}: peak memory", memory / 1e9, "GB"),
        ]
        if peak is not None:
            done = np.mean([flops(model, shape, b, all_labels=not ours) for b in batches])
            used = float(done) / seconds / peak
            goal, passed = (">= 0.4", used >= 0.4) if ours else ("", None)
            rows.append(Row(f"{shape}, training, {way}: of peak FLOP/s", used, "", goal, passed))
        del model, optimizer, trained, step
        torch.cuda.empty_cache()
    ratio = speed["ours"] / speed["study"]
    return [*rows, Row(f"{shape}, training: ours / study", ratio, "times", ">= 3", ratio >= 3)]


def decode_rows(shape: str, device: str) -> list[Row]:
    """Decode 128 prompts in one batch in bfloat16, and 8 one by one in float32."""
    rows, speed = [], {}
    for way, count, size, dtype in (
        ("ours", 128, 128, torch.bfloat16), ("study", 8, 1, torch.float32),
    ):  # fmt: skip
        model = build(shape, "sdpa", torch.float32, device, lora=False).to(dtype).eval()
        prompts = [e.ids[: e.answer] for e in examples(count, FIELDS[shape]["vocab_size"])]

        def step(
            i: int, model: Any = model, prompts: list[torch.Tensor] = prompts, size: int = size
        ) -> None:
            for at in range(0, len(prompts), size):
                batch = prompts[at : at + size]
                width = max(map(len, batch))
                ids = torch.zeros(len(batch), width, dtype=torch.long)
                mask = torch.zeros_like(ids)
                for k, prompt in enumerate(batch):
                    ids[k, width - len(prompt) :], mask[k, width - len(prompt) :] = prompt, 1
                model.generate(
                    ids.to(device), attention_mask=mask.to(device), do_sample=False,
                    min_new_tokens=ANSWER, max_new_tokens=ANSWER, pad_token_id=0,
                )  # fmt: skip

        seconds, memory = measure(step, 2, device)
        speed[way] = count * ANSWER / seconds
        rows += [
            Row(f"{shape}, decoding, {way}: new tokens", speed[way], "tokens/s"),
            Row(f"{shape}, decoding, {way}: peak memory", memory / 1e9, "GB"),
        ]
        del model, step
        torch.cuda.empty_cache()
    ratio = speed["ours"] / speed["study"]
    return [*rows, Row(f"{shape}, decoding: ours / study", ratio, "times", ">= 3", ratio >= 3)]


def learn_rows() -> list[Row]:
    """Train a model of `small`'s body from scratch by the package's own trainer, in earnest."""
    small = {
        k: v for k, v in FIELDS["small"].items() if k not in ("vocab_size", "tie_word_embeddings")
    }
    base = load_recipe("tiny-v4").model_dump()
    base |= {"name": "gpu-small", "model": {**small, "initializer_range": 0.02}}
    base["training"] |= {"learning_rate": 5e-4, "num_train_epochs": 3, "save_strategy": "no"}
    recipe = Recipe.model_validate(base)
    given = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
    with tempfile.TemporaryDirectory() as folder:
        record = train(recipe, given, folder, device="cuda")
    first, last = record["loss_curve"][0][1], record["loss_curve"][-1][1]
    rate = record["rows"] * recipe.training["num_train_epochs"] / record["wall_s"]
    return [
        Row("from scratch: parameters", record["parameters"] / 1e6, "M"),
        Row("from scratch: examples", rate, "a second"),
        Row("from scratch: first loss", first, "nats a token"),
        Row(
            "from scratch: last loss", last, "nats a token", f"< {first / 4:.2f}", last < first / 4
        ),
    ]


def as_result(options: str, device: str, peak: float | None, rows: list[Row]) -> dict[str, Any]:
    """Return what is written: the same form from a GPU and from the check."""
    return {
        "command": f"python -m benchmarks.gpu_teacher {options}".strip(),
        "device": device,
        "peak_flops": peak,
        "versions": installed_versions(),
        "rows": [asdict(row) for row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare losses on the CPU, and stop")
    parser.add_argument("--shapes", nargs="+", default=["small", "qwen3-4b"], choices=FIELDS)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--peak-tflops", type=float, help="for a GPU that is not in the table")
    parser.add_argument("--out", type=results_file, help="write the figures to this results file")
    args = parser.parse_args()
    if args.check:
        packed, padded = check()
        apart, loss = float((packed - padded).abs().max()), float(padded.mean())
        print(f"loss a token: {loss:.6f} padded; packed ones differ by {apart:.1e}")
        passed = apart < 1e-4
        rows = [
            Row("loss of an answer's token, padded", loss, "nats"),
            Row("losses of packed examples off it, at most", apart, "nats", "< 1e-4", passed),
        ]
        if args.out:
            write_json(args.out, as_result("--check", "cpu", None, rows))
        sys.exit(not passed)
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here; --check runs without one")
    name = torch.cuda.get_device_name()
    peak = next((p for key, p in PEAK.items() if key in name), None)
    peak = args.peak_tflops * 1e12 if args.peak_tflops else peak
    packed, padded = check("cuda")
    apart = float((packed - padded).abs().mean() / padded.mean())
    if (
        apart > 0.02
    ):  # the packed kernel computes in bfloat16; a leak shows six times as much (tests)
        sys.exit(f"packed examples have losses {apart:.1%} off those of padded ones")
    rows = [Row("losses of packed examples off padded ones", apart, "", "<= 0.02", True)]
    for shape in args.shapes:
        rows += train_rows(shape, "cuda", args.steps, peak) + decode_rows(shape, "cuda")
    rows += learn_rows()
    result = as_result("", name, peak, rows)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if args.out:
        write_json(args.out, result)


if __name__ == "__main__":
    main()
