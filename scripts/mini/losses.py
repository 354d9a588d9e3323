"""What training minimises, and the heads that only training has.

Flow: the network learns where noisy actions come from, as π₀ does. Two heads make it look: one reads from each image
token whether an object's centre is in its patch, and where; the other reads the objects' places in the world from the
prompt's last token, where every action can read them as well. Exported weights have no heads.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demonstrations import OBJECTS, PROMPTS, TASK_OBJECTS, TASKS, Frames, project
from looks import Looks, apply_looks, draw_looks
from model import PATCH_PX, PATCHES, Pi0

PLACE_WEIGHT, POSITION_WEIGHT = 0.1, 2.0
STATE_NOISE = 0.03  # of a standard deviation
WRONG_PROMPT, BLACK_PICTURE = 0.06, 0.02  # of the observations; their actions are to stay
ORIGIN_M = (0.0, 0.5, 0.0)  # positions are learned in decimetres from here
LOSS_NAMES = ("total", "flow", "patch", "offset", "position")


@dataclass
class Draw:
    """Everything random about a batch of B observations with D draws of noise and time."""

    looks: Looks
    noise: Tensor  # [B·D, 50, 14]
    time: Tensor  # [B·D]
    state_noise: Tensor  # [B, 14]
    wrong_prompt: Tensor  # [B], true or false
    black: Tensor  # [B], true or false


def draw_batch(count: int, draws: int, shape: tuple[int, int], pool: Tensor) -> Draw:
    """Chance for one batch; `shape` is that of a chunk of actions."""
    device = pool.device
    chance = torch.rand(count, device=device)
    return Draw(
        looks=draw_looks(count, pool),
        noise=torch.randn(count * draws, *shape, device=device),
        # u^(1/1.5) has the distribution Beta(1.5, 1)
        time=torch.rand(count * draws, device=device) ** (1 / 1.5) * 0.999 + 0.001,
        state_noise=torch.randn(count, shape[1], device=device) * STATE_NOISE,
        wrong_prompt=chance < WRONG_PROMPT,
        black=(chance >= WRONG_PROMPT) & (chance < WRONG_PROMPT + BLACK_PICTURE),
    )


class Learner(nn.Module):
    """The network with its heads and losses."""

    def __init__(self, config: dict):
        super().__init__()
        self.policy = Pi0(config)
        width = config["paligemma"]["width"]
        # For each object and token: a score, and the centre's place in the patch from −0.5 to 0.5 (right, down)
        self.heads = nn.ModuleDict({"place": nn.Linear(width, 3 * len(OBJECTS)), "position": nn.Linear(width, 6)})
        tables = {
            "prompts": [config["prompts"][PROMPTS[task]] for task in TASKS],
            "task_objects": [TASK_OBJECTS[task] for task in TASKS],
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table), persistent=False)
        self.register_buffer("origin_m", torch.tensor(ORIGIN_M), persistent=False)

    def read_places(self, tokens: Tensor, task: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [B, 2, 64] and places in the patch [B, 2, 64, 2] of the objects of each observation's task."""
        slots = self.task_objects[task].clamp(min=0)
        heads = self.heads["place"](tokens).unflatten(-1, (len(OBJECTS), 3)).permute(0, 2, 1, 3)
        heads = heads[torch.arange(len(task), device=task.device)[:, None], slots]
        return heads[..., 0], heads[..., 1:]

    def place_losses(self, tokens: Tensor, pixels: Tensor, frames: Frames, black: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of "the centre is in this patch", and the error within that patch, for objects in sight."""
        scores, within = self.read_places(tokens, frames.task)
        size = pixels.new_tensor([224.0, 168.0])
        seen = ((pixels >= 0) & (pixels < size)).all(-1) & (self.task_objects[frames.task] >= 0) & ~black[:, None]
        place = torch.minimum(pixels.clamp(min=0), size - 0.01) / PATCH_PX
        column, row = place.floor().unbind(-1)
        # The first row of patches is a black bar
        patch = ((row + 1) * PATCHES + column).long()
        entropy = F.cross_entropy(scores.flatten(0, 1), patch.flatten(), reduction="none").view_as(patch)
        chosen = within.gather(2, patch[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
        offset = F.smooth_l1_loss(chosen, place.frac() - 0.5, beta=0.05, reduction="none").sum(-1)
        count = seen.sum().clamp(min=1)
        return (entropy * seen).sum() / count, (offset * seen).sum() / count

    def look(self, frames: Frames, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """Image tokens of other looks, and the two losses of place."""
        picture = apply_looks(frames.image, draw.looks)
        picture = torch.where(draw.black.view(-1, 1, 1, 1), -1.0, picture)
        tokens = self.policy.image_tokens(picture)
        pixels = project(frames.objects) + draw.looks.shift_px[:, None]
        return tokens, *self.place_losses(tokens, pixels, frames, draw.black)

    def vision_losses(self, frames: Frames, draw: Draw) -> Tensor:
        """The losses of LOSS_NAMES when only the eyes learn; the others are 0."""
        _, patch, offset = self.look(frames, draw)
        none = torch.zeros_like(patch)
        return torch.stack([patch + offset, none, patch, offset, none])

    def joint_losses(self, frames: Frames, draw: Draw) -> Tensor:
        """The losses of LOSS_NAMES when everything learns."""
        tokens, patch, offset = self.look(frames, draw)
        stays = draw.wrong_prompt | draw.black
        prompt = self.prompts[torch.where(draw.wrong_prompt, 1 - frames.task, frames.task)]
        cache, instruction = self.policy.read(tokens, prompt)

        present = (self.task_objects[frames.task] >= 0) & ~stays[:, None]
        error = (self.read_positions(instruction) - frames.objects).mul(10).square().sum(-1)
        position = (error * present).sum() / present.sum().clamp(min=1)

        draws = len(draw.time) // len(frames.task)
        goal = torch.where(stays.view(-1, 1, 1), frames.actions[:, :1], frames.actions).repeat_interleave(draws, 0)
        state = (frames.state + draw.state_noise).repeat_interleave(draws, 0)
        time = draw.time.view(-1, 1, 1)
        noisy = time * draw.noise + (1 - time) * goal
        flow = F.mse_loss(self.policy.velocity(cache, state, noisy, draw.time), draw.noise - goal)
        total = flow + PLACE_WEIGHT * (patch + offset) + POSITION_WEIGHT * position
        return torch.stack([total, flow, patch, offset, position])

    def read_positions(self, instruction: Tensor) -> Tensor:
        """The objects' positions [B, 2, 3] in metres, from the prompt's last token."""
        return self.heads["position"](instruction).unflatten(-1, (2, 3)) / 10 + self.origin_m
