"""Checks that `pi0 export` and `pi0 infer` compute what the network here computes.

python check_export.py [--out DIR]

For each prompt, a picture, a state and noise go through both; normalised actions must agree within 5e-4. Takes what
train.py wrote to DIR, or else an untrained network. Needs deno on the PATH.
"""

import argparse
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch

from looks import to_network
from model import BAR_PX, Pi0, load_weights, save_weights

LARGEST_ERROR = 5e-4
CONFIG = Path(__file__).with_name("config.json")
PROGRAM = ["deno", "run", "-A", str(Path(__file__).parents[2] / "main.ts")]


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a picture, U8 [rows, columns, 3]."""
    rows, columns, _ = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder that train.py wrote [an untrained network]")
    options = parser.parse_args()
    config = json.loads(CONFIG.read_text())
    torch.manual_seed(0)
    model = Pi0(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.out:
            source = options.out
        else:
            source, width = folder, config["action_dim"]
            save_weights(folder / "mini.safetensors", model.state_dict())
            one = {"mean": np.linspace(-1, 1, width).tolist(), "std": np.linspace(0.05, 1, width).tolist()}
            (folder / "norm_stats.json").write_text(json.dumps({"norm_stats": {"state": one, "actions": one}}))
        weights, norm_stats = source / "mini.safetensors", source / "norm_stats.json"
        # As everyone reads them: in half precision
        load_weights(model, weights)
        stats = json.loads(norm_stats.read_text())["norm_stats"]

        exported = folder / "exported"
        arguments = ["--config", str(CONFIG), "--norm-stats", str(norm_stats), "--quiet"]
        subprocess.run([*PROGRAM, "export", str(weights), str(exported), *arguments], check=True)

        chance = np.random.default_rng(0)
        image = np.zeros((224, 224, 3), np.uint8)
        image[BAR_PX:-BAR_PX] = chance.integers(0, 256, (168, 224, 3))
        write_png(folder / "picture.png", image)
        noise = chance.standard_normal((config["action_horizon"], config["action_dim"])).astype("<f4")
        (folder / "noise.f32").write_bytes(noise.tobytes())
        normal_state = chance.standard_normal(config["action_dim"])
        state = normal_state * (np.array(stats["state"]["std"]) + 1e-6) + stats["state"]["mean"]

        for prompt, tokens in config["prompts"].items():
            reply = folder / "reply.json"
            arguments = [
                f"--camera=cam_high={folder / 'picture.png'}",
                "--state=" + ",".join(map(repr, state.tolist())),
            ]
            arguments += ["--prompt", prompt, "--noise", str(folder / "noise.f32"), "--out", str(reply), "--quiet"]
            subprocess.run([*PROGRAM, "infer", str(exported), *arguments], check=True)
            answer = np.array(json.loads(reply.read_text())["actions"])
            answer = (answer - stats["actions"]["mean"]) / (np.array(stats["actions"]["std"]) + 1e-6)
            with torch.no_grad():
                own = model.sample(
                    to_network(torch.from_numpy(image[None, BAR_PX:-BAR_PX])),
                    torch.tensor([tokens]),
                    torch.from_numpy(normal_state[None]).float(),
                    torch.from_numpy(noise[None]),
                )[0].numpy()
            error = float(np.abs(answer - own).max())
            print(f'"{prompt}": actions from {own.min():.2f} to {own.max():.2f}, largest difference {error:.1e}')
            if error > LARGEST_ERROR:
                raise SystemExit(f"The exported network differs by more than {LARGEST_ERROR}")
        print(f"{weights.stat().st_size} bytes of weights")


if __name__ == "__main__":
    main()
