"""π₀'s network in PyTorch, for one camera and prompts of equal length, as `pi0 export` reads its weights.

A SigLIP tower makes tokens of the picture, Gemma reads them with the prompt, and the action expert reads what Gemma
kept (keys and values) while it turns noise into actions. Shapes: B observations, D draws of time and noise for each,
H actions of A numbers, S tokens.

Pictures come without their black bars: a 640×480 picture fitted into 224×224 leaves 28 black rows above and below,
which are the first and the last row of patches. Their tokens are equal, so they are computed once.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from safetensors_file import read_tensors, write_tensors

# openpi's names of the parts in its PyTorch checkpoints.
TOWER = "paligemma_with_expert.paligemma.model."
NAMES = {
    "vision.": TOWER + "vision_tower.vision_model.",
    "projector.": TOWER + "multi_modal_projector.linear.",
    "prefix.": TOWER + "language_model.",
    "embedding.": "paligemma_with_expert.paligemma.lm_head.",
    "expert.": "paligemma_with_expert.gemma_expert.model.",
}
PATCH_PX = 28
PATCHES = 8  # in a row, and in a column
BAR_PX = 28  # above and below the picture
Cache = list[tuple[Tensor, Tensor]]


def lecun(*shape: int, inputs: int) -> nn.Parameter:
    """A matrix that keeps the variance of so many inputs."""
    return nn.Parameter(torch.randn(shape) / math.sqrt(inputs))


class Matrix(nn.Module):
    """A linear layer without bias: its weight is [outputs, inputs]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = lecun(outputs, inputs, inputs=inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class Affine(Matrix):
    """A linear layer with bias."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class RmsNorm(nn.Module):
    """Gemma's norm: the stored weight lacks the one."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


class VisionAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = Affine(width, width)
        self.k_proj = Affine(width, width)
        self.v_proj = Affine(width, width)
        self.out_proj = Affine(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        parts = (self.q_proj, self.k_proj, self.v_proj)
        weight = torch.cat([part.weight for part in parts])
        bias = torch.cat([part.bias for part in parts])
        q, k, v = F.linear(x, weight, bias).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(out.transpose(1, 2).reshape(batch, tokens, width))


class VisionMlp(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.fc1 = Affine(width, inner)
        self.fc2 = Affine(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    def __init__(self, width: int, inner: int, heads: int):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attn = VisionAttention(width, heads)
        self.layer_norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = VisionMlp(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Vision(nn.Module):
    """SigLIP: patches of the picture to tokens [B, 64, width]."""

    def __init__(self, width: int, depth: int, inner: int, heads: int):
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.patch_embedding = nn.Module()
        self.embeddings.patch_embedding.weight = lecun(width, 3, PATCH_PX, PATCH_PX, inputs=3 * PATCH_PX**2)
        self.embeddings.patch_embedding.bias = nn.Parameter(torch.zeros(width))
        self.embeddings.position_embedding = nn.Module()
        self.embeddings.position_embedding.weight = lecun(PATCHES**2, width, inputs=width)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionBlock(width, inner, heads) for _ in range(depth))
        self.post_layernorm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, picture: Tensor) -> Tensor:
        batch, rows = picture.shape[0], picture.shape[1] // PATCH_PX
        patches = picture.view(batch, rows, PATCH_PX, PATCHES, PATCH_PX, 3).transpose(2, 3)
        embedding = self.embeddings.patch_embedding
        # [width, 3, 28, 28] → [width, 28, 28, 3], the order of the picture's numbers
        weight = embedding.weight.permute(0, 2, 3, 1).reshape(embedding.weight.shape[0], -1)
        seen = F.linear(patches.reshape(batch, rows * PATCHES, -1), weight, embedding.bias)
        black = (embedding.bias - weight.sum(1)).expand(batch, (PATCHES - rows) // 2 * PATCHES, -1)
        x = torch.cat([black, seen, black], 1) + self.embeddings.position_embedding.weight
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x)


class KeysAndValues(nn.Module):
    """The part of an attention that makes keys and values; one head, which all queries share."""

    def __init__(self, width: int, head_dim: int):
        super().__init__()
        self.k_proj = Matrix(width, head_dim)
        self.v_proj = Matrix(width, head_dim)


class GemmaAttention(KeysAndValues):
    def __init__(self, width: int, heads: int, head_dim: int):
        super().__init__(width, head_dim)
        self.q_proj = Matrix(width, heads * head_dim)
        self.o_proj = Matrix(heads * head_dim, width)


class GemmaMlp(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_proj = Matrix(width, inner)
        self.up_proj = Matrix(width, inner)
        self.down_proj = Matrix(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, -1)
        return self.down_proj(F.gelu(gate, approximate="tanh") * up)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """RoPE on heads [..., S, heads, head_dim]: the first half of a head is paired with the second."""
    cos, sin = turn
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class GemmaBlock(nn.Module):
    """A block of Gemma. All heads share one key head, so that the heads of a token are more rows of queries."""

    def __init__(self, width: int, inner: int, heads: int, head_dim: int):
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.input_layernorm = RmsNorm(width)
        self.self_attn = GemmaAttention(width, heads, head_dim)
        self.post_attention_layernorm = RmsNorm(width)
        self.mlp = GemmaMlp(width, inner)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The stream after the block, and its keys (turned) and values [B, S, head_dim].

        `past` are keys and values to attend to besides; `mask` [S * heads, keys] is added to the logits.
        """
        batch, tokens, _ = x.shape
        attention, n = self.self_attn, self.input_layernorm(x)
        weight = torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
        heads = F.linear(n, weight).view(batch, tokens, self.heads + 2, self.head_dim)
        turned = rotate(heads[:, :, :-1], turn)
        q = turned[:, :, :-1].reshape(batch, tokens * self.heads, self.head_dim)
        k, v = turned[:, :, -1], heads[:, :, -1]
        keys = torch.cat([past[0], k], 1) if past else k
        values = torch.cat([past[1], v], 1) if past else v
        logits = q @ keys.transpose(1, 2) * self.head_dim**-0.5
        if mask is not None:
            logits = logits + mask
        out = torch.softmax(logits, -1) @ values
        x = x + attention.o_proj(out.view(batch, tokens, -1))
        return x + self.mlp(self.post_attention_layernorm(x)), (k, v)


class LastPrefixBlock(nn.Module):
    """Of the prefix's last block only keys and values are used."""

    def __init__(self, width: int, head_dim: int):
        super().__init__()
        self.input_layernorm = RmsNorm(width)
        self.self_attn = KeysAndValues(width, head_dim)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        n = self.input_layernorm(x)
        k = rotate(self.self_attn.k_proj(n)[:, :, None], turn)[:, :, 0]
        return k, self.self_attn.v_proj(n)


class Pi0(nn.Module):
    """The whole network, from a configuration such as config.json."""

    def __init__(self, config: dict):
        super().__init__()
        vision, prefix, expert = config["vision"], config["paligemma"], config["action_expert"]
        if prefix["num_kv_heads"] != 1 or vision["patch_size"] != PATCH_PX or len(config["image_keys"]) != 1:
            raise ValueError(f"Cannot build the network: one key head, one camera and patches of {PATCH_PX} are needed")
        self.heads, self.head_dim, self.depth = prefix["num_heads"], prefix["head_dim"], prefix["depth"]
        self.flow_steps = config["num_steps"]
        action_dim, horizon = config["action_dim"], config["action_horizon"]
        prefix_width, width = prefix["width"], expert["width"]

        self.vision = Vision(vision["width"], vision["depth"], vision["mlp_dim"], vision["num_heads"])
        self.projector = Affine(vision["width"], prefix_width)
        self.embedding = nn.Module()
        self.embedding.weight = lecun(prefix["vocab_size"], prefix_width, inputs=prefix_width)
        self.prefix = nn.Module()
        self.prefix.layers = nn.ModuleList(
            GemmaBlock(prefix_width, prefix["mlp_dim"], self.heads, self.head_dim) for _ in range(self.depth - 1)
        )
        self.prefix.layers.append(LastPrefixBlock(prefix_width, self.head_dim))
        self.expert = nn.Module()
        self.expert.layers = nn.ModuleList(
            GemmaBlock(width, expert["mlp_dim"], self.heads, self.head_dim) for _ in range(self.depth)
        )
        self.expert.norm = RmsNorm(width)
        self.state_proj = Affine(action_dim, width)
        self.action_in_proj = Affine(action_dim, width)
        self.action_time_mlp_in = Affine(2 * width, width)
        self.action_time_mlp_out = Affine(width, width)
        self.action_out_proj = Affine(width, action_dim)

        time = config["time_embedding"]
        steps = torch.linspace(0, 1, width // 2, dtype=torch.float64)
        periods = time["min_period"] * (time["max_period"] / time["min_period"]) ** steps
        prefix_tokens, suffix_tokens = PATCHES**2 + config["max_token_len"], 1 + horizon
        # The state does not see the actions; all others see everything.
        mask = torch.zeros(suffix_tokens, self.heads, prefix_tokens + suffix_tokens)
        mask[0, :, prefix_tokens + 1 :] = -1e30
        turns = self.head_dim // 2
        angles = torch.arange(prefix_tokens + suffix_tokens)[:, None] / config["rope_base"] ** (
            torch.arange(turns) / turns
        )
        for name, value in {
            "frequencies": 2 * math.pi / periods,
            "mask": mask.flatten(0, 1),
            "cos": angles.cos()[:, None],
            "sin": angles.sin()[:, None],
        }.items():
            self.register_buffer(name, value, persistent=False)

    def image_tokens(self, picture: Tensor) -> Tensor:
        """Pictures [B, 168, 224, 3] from −1 to 1 to tokens [B, 64, prefix width]."""
        return self.projector(self.vision(picture))

    def read(self, image_tokens: Tensor, prompt: Tensor) -> tuple[Cache, Tensor]:
        """What the expert reads of pictures and prompts (token ids [B, 4]).

        Also the stream at the prompt's last token before the last block [B, prefix width].
        """
        words = F.embedding(prompt, self.embedding.weight) * math.sqrt(self.embedding.weight.shape[1])
        x = torch.cat([image_tokens, words], 1)
        turn = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        cache: Cache = []
        for layer in self.prefix.layers[:-1]:
            x, kept = layer(x, turn, None, None)
            cache.append(kept)
        return [*cache, self.prefix.layers[-1](x, turn)], x[:, -1]

    def velocity(self, cache: Cache, state: Tensor, actions: Tensor, time: Tensor) -> Tensor:
        """Where noisy actions [B·D, H, A] come from, at times [B·D] from 1 (noise) to 0, with states [B·D, A].

        Draws of one observation lie side by side; the cache has a row for each observation.
        """
        draws = len(actions) // len(cache[0][0])
        angles = time.double()[:, None] * self.frequencies
        embedded = torch.cat([angles.sin(), angles.cos()], -1).float()[:, None].expand(-1, actions.shape[1], -1)
        tokens = self.action_time_mlp_in(torch.cat([self.action_in_proj(actions), embedded], -1))
        x = torch.cat([self.state_proj(state)[:, None], self.action_time_mlp_out(F.silu(tokens))], 1)
        turn = self.cos[-x.shape[1] :], self.sin[-x.shape[1] :]
        for layer, (keys, values) in zip(self.expert.layers, cache):
            past = keys.repeat_interleave(draws, 0), values.repeat_interleave(draws, 0)
            x, _ = layer(x, turn, past, self.mask)
        return self.action_out_proj(self.expert.norm(x[:, 1:]))

    def sample(self, picture: Tensor, prompt: Tensor, state: Tensor, noise: Tensor) -> Tensor:
        """Normalised actions [B, H, A] from noise of the same shape, in Euler steps."""
        cache, _ = self.read(self.image_tokens(picture), prompt)
        actions = noise
        for step in range(self.flow_steps):
            time = torch.full((len(noise),), 1 - step / self.flow_steps, device=noise.device)
            actions = actions - self.velocity(cache, state, actions, time) / self.flow_steps
        return actions


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Writes a network's weights in half precision, with openpi's names."""
    tensors = {}
    for name, tensor in weights.items():
        start = next((start for start in NAMES if name.startswith(start)), "")
        tensors[NAMES.get(start, "") + name.removeprefix(start)] = tensor.detach().cpu().half().numpy()
    write_tensors(path, tensors, {"format": "pt"})


def load_weights(model: Pi0, path: Path) -> None:
    """Reads what `save_weights` wrote; tensors that the network has no use for are left out.

    Raises KeyError where a tensor is missing.
    """
    tensors = read_tensors(path)
    weights = {}
    for name in model.state_dict():
        start = next((start for start in NAMES if name.startswith(start)), "")
        stored = NAMES.get(start, "") + name.removeprefix(start)
        if stored not in tensors:
            raise KeyError(f'Cannot use "{path}": it lacks {stored}')
        weights[name] = torch.from_numpy(tensors[stored].astype(np.float32))
    model.load_state_dict(weights)
