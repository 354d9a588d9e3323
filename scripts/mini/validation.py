"""How well a learner does on held-out episodes, without a simulation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from demonstrations import TASKS, Frames, project
from looks import to_network
from losses import Learner
from model import PATCH_PX, PATCHES

MOST_FRAMES = 256  # of each task
BATCH = 64
FIRST_STEPS = 15
JOINTS = [*range(6), *range(7, 13)]  # the others are grippers


@torch.no_grad()
def validate(learner: Learner, frames: Frames, action_std: Tensor) -> dict[str, dict[str, float]]:
    """For each task: the flow loss, the mean error of the first joint actions after all Euler steps (rad), and how far
    objects are taken to be from where they are (median and 95th percentile: cm in the world, px in the picture)."""
    device = action_std.device
    result = {}
    for task, name in enumerate(TASKS):
        rows = torch.nonzero(frames.task.cpu() == task)[:, 0]
        if len(rows) == 0:
            continue
        rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), MOST_FRAMES)).long()]
        # The same noise and times each time
        chance = torch.Generator().manual_seed(1)
        flow, action, world, picture = [], [], [], []
        for some in rows.split(BATCH):
            batch = frames.pick(some, device)
            noise = torch.randn(batch.actions.shape, generator=chance).to(device)
            time = (torch.rand(len(some), generator=chance) ** (1 / 1.5) * 0.999 + 0.001).to(device)
            pixels = to_network(batch.image)
            tokens = learner.policy.image_tokens(pixels)
            prompt = learner.prompts[batch.task]
            cache, instruction = learner.policy.read(tokens, prompt)
            mix = time.view(-1, 1, 1)
            velocity = learner.policy.velocity(cache, batch.state, mix * noise + (1 - mix) * batch.actions, time)
            flow.append(F.mse_loss(velocity, noise - batch.actions, reduction="none").mean((1, 2)))
            chosen = learner.policy.sample(pixels, prompt, batch.state, noise)
            error = ((chosen - batch.actions) * action_std)[:, :FIRST_STEPS, JOINTS]
            action.append(error.abs().mean((1, 2)))
            present = learner.task_objects[batch.task] >= 0
            world.append((learner.read_positions(instruction) - batch.objects).norm(dim=-1)[present] * 100)
            scores, within = learner.read_places(tokens, batch.task)
            best = scores.argmax(-1)
            corner = torch.stack([best % PATCHES, best // PATCHES - 1], -1)
            place = (within.gather(2, best[..., None, None].expand(-1, -1, 1, 2))[:, :, 0] + 0.5 + corner) * PATCH_PX
            picture.append((place - project(batch.objects)).norm(dim=-1)[present])
        result[name] = {
            "flow": torch.cat(flow).mean().item(),
            "action_rad": torch.cat(action).mean().item(),
            **{
                f"object_{unit}_{which}": torch.cat(errors).quantile(at).item()
                for unit, errors in (("cm", world), ("px", picture))
                for which, at in (("median", 0.5), ("p95", 0.95))
            },
        }
    return result
