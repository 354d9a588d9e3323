"""Demonstrations in memory: what the data maker wrote, one safetensors file per episode.

Tensors of a file: image U8 [T, 168, 224, 3] (the picture between the black bars), state F32 [T, 14] and actions F32
[T, 50, 14] (absolute, the robot's units), objects F32 [T, K, 3] (world, metres), perhaps fresh U8 [T] (0: leave the
frame out). Its metadata names the task and the split, "training" or "validation".
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from safetensors_file import read_header, read_tensor

TASKS = ("transfer_cube", "insertion")
PROMPTS = {"transfer_cube": "Transfer cube", "insertion": "Insert peg"}
OBJECTS = ("cube", "peg", "socket")
# Which of OBJECTS a task has, in the order of its files; −1: none.
TASK_OBJECTS = {"transfer_cube": (0, -1), "insertion": (1, 2)}
# Two joints of the arm never move in many demonstrations; dividing by their spread would blow up noise.
SMALLEST_STD = 0.05


@dataclass
class Frames:
    """N frames; `task` is an index into TASKS, `objects` [N, 2, 3] has zeros where a task has one object only."""

    image: Tensor
    state: Tensor
    actions: Tensor
    objects: Tensor
    task: Tensor

    def __len__(self) -> int:
        return len(self.task)

    def pick(self, rows: Tensor, device: torch.device) -> "Frames":
        """Some frames, on a device."""
        return Frames(*(part[rows.to(part.device)].to(device) for part in vars(self).values()))

    def to(self, device: torch.device) -> "Frames":
        """All frames, on a device."""
        return Frames(*(part.to(device) for part in vars(self).values()))


def find_fresh(path: Path) -> np.ndarray:
    """Which frames of a file to take."""
    header = read_header(path)[0]
    if "fresh" in header:
        return np.flatnonzero(read_tensor(path, "fresh"))
    return np.arange(header["state"]["shape"][0])


def read_frames(paths: list[Path]) -> Frames:
    """The frames of these files that are fresh. Raises ValueError where a file has another form."""
    kept = [find_fresh(path) for path in paths]
    count = sum(len(rows) for rows in kept)
    frames = Frames(
        torch.empty(count, 168, 224, 3, dtype=torch.uint8),
        torch.empty(count, 14),
        torch.empty(count, 50, 14),
        torch.zeros(count, 2, 3),
        torch.empty(count, dtype=torch.long),
    )
    start = 0
    for path, rows in zip(paths, kept):
        end = start + len(rows)
        task = read_header(path)[1].get("task", "")
        if task not in TASKS:
            raise ValueError(f'Cannot use "{path}": its task is "{task}", not one of {", ".join(TASKS)}')
        for name, part in (("image", frames.image), ("state", frames.state), ("actions", frames.actions)):
            tensor = read_tensor(path, name)
            if tensor.shape[1:] != part.shape[1:]:
                raise ValueError(f'Cannot use "{path}": {name} is {tensor.shape}, not [T, {list(part.shape[1:])}]')
            part[start:end] = torch.from_numpy(tensor[rows])
        objects = read_tensor(path, "objects")[rows]
        wanted = sum(one >= 0 for one in TASK_OBJECTS[task])
        if objects.shape[1:] != (wanted, 3):
            raise ValueError(f'Cannot use "{path}": objects is {objects.shape}, not [T, {wanted}, 3]')
        frames.objects[start:end, :wanted] = torch.from_numpy(objects)
        frames.task[start:end] = TASKS.index(task)
        start = end
    return frames


def read_demonstrations(folder: Path) -> tuple[Frames, Frames, dict]:
    """Frames to train on, held-out ones, and a summary of the files."""
    paths = sorted(folder.glob("*.safetensors"))
    metadata = [read_header(path)[1] for path in paths]
    splits: dict[str, list[Path]] = {"training": [], "validation": []}
    for path, one in zip(paths, metadata):
        if one.get("split") not in splits:
            raise ValueError(f'Cannot use "{path}": its split is none of {", ".join(splits)}')
        splits[one["split"]].append(path)
    for name, some in splits.items():
        if not some:
            raise ValueError(f'Cannot use "{folder}": it has no episodes for {name}')
    training, validation = read_frames(splits["training"]), read_frames(splits["validation"])
    listing = "".join(f"{path.name}\t{path.stat().st_size}\n" for path in paths)
    groups: dict[str, int] = {}
    for one in metadata:
        group = " ".join(one.get(key, "?") for key in ("task", "scene", "split"))
        groups[group] = groups.get(group, 0) + 1
    summary = {
        "episodes": groups,
        "training_frames": {task: int((training.task == at).sum()) for at, task in enumerate(TASKS)},
        "validation_frames": {task: int((validation.task == at).sum()) for at, task in enumerate(TASKS)},
        "files_sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }
    return training, validation, summary


def compute_norm_stats(frames: Frames) -> dict:
    """Mean and standard deviation of states and actions, as openpi's norm_stats.json has them."""
    stats = {}
    for name, values in (("state", frames.state), ("actions", frames.actions.flatten(0, 1))):
        values = values.double()
        std = values.std(0, correction=0).clamp(min=SMALLEST_STD)
        stats[name] = {"mean": values.mean(0).tolist(), "std": std.tolist()}
    return {"norm_stats": stats}


def normalize(frames: Frames, stats: dict) -> None:
    """Turns states and actions into the network's units, in place."""
    for name, values in (("state", frames.state), ("actions", frames.actions)):
        one = stats["norm_stats"][name]
        values.sub_(torch.tensor(one["mean"])).div_(torch.tensor(one["std"]) + 1e-6)


def project(points: Tensor) -> Tensor:
    """World points [..., 3] in metres to pixels [..., 2] (right, down) of the picture between the black bars.

    Camera `top` looks straight down from (0, 0.6, 0.8); its 640×480 picture is shrunk to 224×168.
    """
    x, y, z = points.unbind(-1)
    scale = 296.375 / (0.8 - z).clamp(min=0.05)
    return 0.35 * torch.stack([320 + scale * x, 240 - scale * (y - 0.6)], -1)
