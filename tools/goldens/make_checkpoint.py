"""Makes tests/golden/checkpoint: files as PyTorch, safetensors, open_clip, OpenAI and CLOOB write them.

Usage: python tools/goldens/make_checkpoint.py   (torch 2.15, safetensors 0.6)
"""
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "checkpoint"


def all_dtypes():
    """Tensor i of each type holds 0, 1, 2, ... (truth values: 0, 1, 0, ...) in shape (2, 3)."""
    names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64", "uint32",
             "uint16", "uint8", "float8_e4m3fn", "float8_e5m2", "complex64"]
    tensors = {name: torch.arange(6, dtype=torch.float32).reshape(2, 3).to(getattr(torch, name)) for name in names}
    tensors["bool"] = torch.arange(6).reshape(2, 3) % 2 == 1
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(all_dtypes(), FOLDER / "python.safetensors", metadata={"format": "pt"})
    for file in FOLDER.iterdir():
        file.chmod(0o644)  # safetensors makes its files private


if __name__ == "__main__":
    main()
