"""Safetensors files: an 8-byte little-endian header length, a JSON header, then the tensors' bytes."""

import json
import struct
from pathlib import Path

import numpy as np

TYPES = {"U8": "<u1", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4"}
NAMES = {np.dtype(code): name for name, code in TYPES.items()}


def read_header(path: Path) -> tuple[dict, dict[str, str], int]:
    """The tensors' entries by name, the metadata, and where in the file the first tensor's bytes are."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return header, header.pop("__metadata__", {}), 8 + length


def read_tensor(path: Path, name: str) -> np.ndarray:
    """One tensor, mapped into memory rather than read."""
    header, _, start = read_header(path)
    if name not in header:
        raise KeyError(f'Cannot read "{name}" of "{path}": it has only {", ".join(sorted(header))}')
    entry = header[name]
    if entry["dtype"] not in TYPES:
        raise TypeError(f'Cannot read "{name}" of "{path}": its type {entry["dtype"]} is none of {", ".join(TYPES)}')
    kind = np.dtype(TYPES[entry["dtype"]])
    return np.memmap(path, kind, "r", start + entry["data_offsets"][0], tuple(entry["shape"]))


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors, in memory."""
    return {name: np.array(read_tensor(path, name)) for name in read_header(path)[0]}


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Writes a file, sorted by name; it appears when it is whole."""
    header: dict = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, tensor in sorted(tensors.items()):
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in sorted(tensors.items()):
            file.write(np.ascontiguousarray(tensor).tobytes())
    unfinished.replace(path)
