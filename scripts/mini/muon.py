"""Muon: gradient descent with momentum for matrices, in which every direction of a step is equally long.

Keller Jordan and others, 2024, "Muon: An optimizer for hidden layers in neural networks", with the factor of Liu and
others, 2025 (arXiv 2502.16982), which makes a step as long as one of AdamW at the same rate. torch has it, too, but
computes it in bfloat16, which takes a CPU ten times longer than float32.
"""

import math

import torch
from torch import Tensor

# Of the polynomial that brings all singular values near 1, and how often it is applied (Jordan).
COEFFICIENTS, TIMES = (3.4445, -4.7750, 2.0315), 5
MOMENTUM = 0.95
STEP = 0.2  # root mean square of AdamW's steps (Liu)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The nearest matrix with equal singular values, about 1, by Newton and Schulz's iteration."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(TIMES):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For matrices only; `lr` and `weight_decay` are AdamW's."""

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            rate = group["lr"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
                update = orthogonalize(matrix.grad.lerp(momentum, MOMENTUM))
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(update, alpha=-rate * STEP * math.sqrt(max(matrix.shape)))
