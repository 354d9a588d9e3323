"""Trains pi0-mini on demonstrations and writes what `pi0 export` reads.

python train.py --data DIR --out DIR --seed N --minutes M

Writes mini.safetensors (half precision, openpi's names), norm_stats.json, heads.safetensors (for --init only) and
training.json (settings, versions, data, losses), every five minutes and at the end. Weights are the moving average.
"""

import argparse
import copy
import json
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from demonstrations import compute_norm_stats, normalize, read_demonstrations
from looks import make_noise_pool
from losses import LOSS_NAMES, Learner, draw_batch
from model import load_weights, save_weights
from muon import Muon
from safetensors_file import read_tensors, write_tensors
from validation import validate

DRAWS = 2
PEAK_RATE, LAST_RATE, WARM_UP_STEPS = 1.2e-3, 0.02, 60
MUON_SHARE = 1.7  # of the rate: Muon's are longer
VISION_SHARE = 0.08  # of the training is for the eyes alone
BETAS, WEIGHT_DECAY, LARGEST_GRADIENT, AVERAGE = (0.9, 0.95), 0.01, 1.0, 0.998
REPORT_SECONDS, SAVE_SECONDS = 30, 300


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of demonstrations")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="stop then, with the learning rate at its end")
    parser.add_argument("--steps", type=int, help="stop after so many steps, if that is earlier")
    parser.add_argument("--batch", type=int, default=32, help="observations in a step [32]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--init", type=Path, help="weights to go on from; norm_stats.json is beside them")
    parser.add_argument("--threads", type=int, help="threads of the CPU [as many as it has cores]")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile (needs a C compiler)")
    return parser.parse_args()


def load_learner(learner: Learner, weights: Path) -> dict:
    """Reads weights and, where they lie beside them, heads; the norm stats that the weights go with."""
    load_weights(learner.policy, weights)
    heads = weights.with_name("heads.safetensors")
    if heads.exists():
        learner.heads.load_state_dict({name: torch.from_numpy(one) for name, one in read_tensors(heads).items()})
    return json.loads(weights.with_name("norm_stats.json").read_text())


def make_optimizers(learner: Learner) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the transformers, AdamW for all else; only matrices decay.

    With Muon the flow loss falls to 0.09 in 330 steps of the joint stage, with AdamW alone in 770.
    """
    inner = [one for name, one in learner.policy.named_parameters() if ".layers." in name and one.ndim == 2]
    chosen = {id(one) for one in inner}
    outer = [one for one in learner.parameters() if id(one) not in chosen]
    groups = [
        {"params": [one for one in outer if one.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [one for one in outer if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return [Muon(inner, PEAK_RATE, WEIGHT_DECAY), torch.optim.AdamW(groups, lr=PEAK_RATE, betas=BETAS, fused=True)]


def learning_rate(stage_step: int, joint_progress: float) -> float:
    """The rate of a step: warm-up in each stage, then down along a cosine over the joint stage (progress 0 to 1)."""
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * joint_progress)) / 2
    return PEAK_RATE * cosine * min(1.0, (stage_step + 1) / WARM_UP_STEPS)


def shuffled_rows(count: int, batch: int, chance: torch.Generator):
    """Rows of batches without end; each row once before any comes again."""
    rows = torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < batch:
            rows = torch.cat([rows, torch.randperm(count, generator=chance)])
        yield rows[:batch]
        rows = rows[batch:]


def save(out: Path, averaged: Learner, stats: dict, record: dict) -> None:
    """Writes everything; the weights come last."""
    (out / "norm_stats.json").write_text(json.dumps(stats))
    (out / "training.json").write_text(json.dumps(record, indent=1))
    heads = {name: one.cpu().numpy() for name, one in averaged.heads.state_dict().items()}
    write_tensors(out / "heads.safetensors", heads)
    save_weights(out / "mini.safetensors", averaged.policy.state_dict())


def main() -> None:
    options = parse_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device(options.device)
    config = json.loads(Path(__file__).with_name("config.json").read_text())
    options.out.mkdir(parents=True, exist_ok=True)

    training, validation, summary = read_demonstrations(options.data)
    print(json.dumps(summary), flush=True)
    learner = Learner(config)
    stats = load_learner(learner, options.init) if options.init else compute_norm_stats(training)
    normalize(training, stats)
    normalize(validation, stats)
    action_std = torch.tensor(stats["norm_stats"]["actions"]["std"], device=device)
    if device.type == "cuda" and training.image.nbytes < torch.cuda.mem_get_info()[0] / 2:
        training = training.to(device)
    learner = learner.to(device)
    averaged = copy.deepcopy(learner).requires_grad_(False)
    optimizers = make_optimizers(learner)
    pool = make_noise_pool(device)
    rows = shuffled_rows(len(training), options.batch, torch.Generator().manual_seed(options.seed))
    prepare = (lambda function: function) if options.no_compile else torch.compile
    vision_losses, joint_losses = prepare(learner.vision_losses), prepare(learner.joint_losses)

    def losses_of_a_batch(of_vision: bool) -> Tensor:
        batch = training.pick(next(rows), device)
        draw = draw_batch(options.batch, DRAWS, batch.actions.shape[1:], pool)
        return (vision_losses if of_vision else joint_losses)(batch, draw)

    # Compiling is not part of the minutes
    for of_vision in (True, False):
        losses_of_a_batch(of_vision)[0].backward()
    learner.zero_grad()

    record = {
        "settings": {name: str(one) if isinstance(one, Path) else one for name, one in vars(options).items()},
        "recipe": {
            "draws": DRAWS,
            "peak_rate": PEAK_RATE,
            "muon_share": MUON_SHARE,
            "last_rate": LAST_RATE,
            "warm_up_steps": WARM_UP_STEPS,
            "vision_share": VISION_SHARE,
            "betas": BETAS,
            "weight_decay": WEIGHT_DECAY,
            "largest_gradient": LARGEST_GRADIENT,
            "average": AVERAGE,
        },
        "config": config,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "parameters": sum(one.numel() for one in learner.policy.parameters()),
        "data": summary,
        "losses": [],
        "validation": [],
    }
    vision_share = 0.0 if options.init else VISION_SHARE
    start = reported = saved = time.monotonic()
    step = joint_start = 0
    sums, summed = torch.zeros(len(LOSS_NAMES), device=device), 0
    progress = 0.0
    while progress < 1:
        of_vision = progress < vision_share
        if of_vision:
            joint_start = step + 1
        joint_progress = max(0.0, (progress - vision_share) / (1 - vision_share))
        rate = learning_rate(step - (0 if of_vision else joint_start), joint_progress)
        for optimizer, share in zip(optimizers, (MUON_SHARE, 1)):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        losses = losses_of_a_batch(of_vision)
        losses[0].backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), LARGEST_GRADIENT)
        for optimizer in optimizers:
            optimizer.step()
        learner.zero_grad()
        # A short memory at first, so that the average is not of the random start
        keep = min(AVERAGE, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(averaged.parameters()), list(learner.parameters()), 1 - keep)
        sums, summed, step = sums + losses.detach(), summed + 1, step + 1

        now = time.monotonic()
        progress = max((now - start) / 60 / options.minutes, step / options.steps if options.steps else 0.0)
        if now - reported >= REPORT_SECONDS or progress >= 1:
            means = dict(zip(LOSS_NAMES, (sums / summed).tolist()))
            line = {
                "minutes": round((now - start) / 60, 2),
                "step": step,
                "seconds_per_step": (now - reported) / summed,
            }
            record["losses"].append(line | means)
            print("losses", json.dumps(record["losses"][-1]), flush=True)
            sums, summed, reported = torch.zeros_like(sums), 0, now
        if now - saved >= SAVE_SECONDS or progress >= 1:
            found = {"step": step} | validate(averaged, validation, action_std)
            record["validation"].append(found)
            print("validation", json.dumps(found), flush=True)
            save(options.out, averaged, stats, record)
            # Validating is not part of the minutes either
            start += time.monotonic() - now
            reported = saved = time.monotonic()


if __name__ == "__main__":
    main()
