"""Other looks of the same picture: light, colour, noise and small shifts of the camera.

The black bars are no part of the pictures here, so that they stay black.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GAIN, CHANNEL_GAIN, CONTRAST = 0.12, 0.05, 0.10
OFFSET_LEVELS, NOISE_LEVELS = 4.0, 4.0
SHIFT_PX = 1.5
SHIFTED = 0.5  # of the pictures
NOISE_POOL = 1 << 23


@dataclass
class Looks:
    """A look for each of B pictures; levels are those of 8-bit pictures."""

    shift_px: Tensor  # [B, 2], right and down
    gain: Tensor  # [B, 1, 1, 3]
    contrast: Tensor  # [B, 1, 1, 1]
    offset: Tensor  # [B, 1, 1, 1]
    noise: Tensor  # [B, 168, 224, 3]


def make_noise_pool(device: torch.device) -> Tensor:
    """Standard normal numbers to take pixel noise from, since drawing them anew takes longer than the network."""
    return torch.randn(NOISE_POOL, device=device)


def draw_looks(count: int, pool: Tensor) -> Looks:
    """Random looks for so many pictures."""
    device, pixels = pool.device, 168 * 224 * 3

    def spread(width: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, device=device) * 2 - 1) * width

    starts = torch.randint(len(pool) - pixels, (count,)).tolist()
    noise = torch.stack([pool[start : start + pixels] for start in starts]).view(count, 168, 224, 3)
    return Looks(
        shift_px=spread(SHIFT_PX, 2) * (torch.rand(count, 1, device=device) < SHIFTED),
        gain=(1 + spread(GAIN, 1, 1, 1)) * (1 + spread(CHANNEL_GAIN, 1, 1, 3)),
        contrast=1 + spread(CONTRAST, 1, 1, 1),
        offset=torch.randn(count, 1, 1, 1, device=device) * OFFSET_LEVELS,
        noise=noise * (torch.rand(count, 1, 1, 1, device=device) * NOISE_LEVELS),
    )


def shift(picture: Tensor, shift_px: Tensor, dim: int) -> Tensor:
    """Moves pictures [B, rows, columns, 3] along a dimension, up to 2 px; linear between pixels, edges repeat."""
    size = picture.shape[dim]
    first, last = picture.narrow(dim, 0, 1), picture.narrow(dim, size - 1, 1)
    wide = torch.cat([first, first, picture, last, last], dim)
    moved = torch.zeros((), device=picture.device)
    for tap in range(-2, 3):
        weight = (1 - (shift_px - tap).abs()).clamp(min=0).view(-1, 1, 1, 1)
        moved = moved + weight * wide.narrow(dim, 2 - tap, size)
    return moved


def apply_looks(image: Tensor, looks: Looks) -> Tensor:
    """Pictures U8 [B, 168, 224, 3] with other looks, from −1 to 1."""
    picture = shift(image.float(), looks.shift_px[:, 1], 1)
    picture = shift(picture, looks.shift_px[:, 0], 2)
    mean = picture.mean((1, 2, 3), keepdim=True)
    picture = ((picture - mean) * looks.contrast + mean) * looks.gain + looks.offset + looks.noise
    return to_network(picture.clamp(0, 255))


def to_network(image: Tensor) -> Tensor:
    """Levels from 0 to 255 to numbers from −1 to 1, as openpi does."""
    return image.float() / 255 * 2 - 1
