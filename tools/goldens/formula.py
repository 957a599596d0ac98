"""Weights and inputs that are computed from their names, so that golden files contain only results; the tests compute the same
(tests/parity/model/formula.h)."""
import math

import numpy as np
import torch

TEXT = dict(context_length=10, vocab_size=40, width=16, heads=2, layers=2)
BATCH = 4


def filled(name, shape, center, scale):
    """center + scale u, with u in [-1, 1) from the FNV-1a hash of the name and SplitMix64 of the index."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        bits = np.uint64(seed) + np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
    uniform = (bits >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1
    return torch.from_numpy((center + scale * uniform).astype(np.float32)).reshape(shape)


def center_and_scale(name, shape):
    """Every tensor must affect the result: residual branches, biases and running statistics differ from 0 and 1."""
    if name == "logit_scale":
        return 2.0, 0.0
    if name.endswith("running_var"):
        return 1.0, 0.5
    if name.endswith("running_mean"):
        return 0.0, 0.3
    if name.startswith("visual.layer") and name.endswith("bn3.weight"):
        return 0.3, 0.2
    if name.endswith("bias"):
        return 0.0, 0.2
    if len(shape) == 1 and name.endswith("weight"):
        return 1.0, 0.3
    if name.endswith("embedding") or name.endswith("embedding.weight"):
        return 0.0, 0.5
    return 0.0, 1.7 / math.sqrt(math.prod(shape) / shape[0])


def make_tokens():
    """Texts of different lengths, of which the last fills the context; the largest id ends a text."""
    tokens = torch.zeros(BATCH, TEXT["context_length"], dtype=torch.int64)
    for row, length in enumerate((3, 5, 8, TEXT["context_length"])):
        tokens[row, :length - 1] = torch.arange(length - 1) * (row + 3) % (TEXT["vocab_size"] - 1)
        tokens[row, length - 1] = TEXT["vocab_size"] - 1
    return tokens


def make_images(size):
    return filled("images", (BATCH, 3, size, size), 0.0, 1.0).double()


def in_float32(results):
    return {name: t.detach().to(torch.float32 if t.is_floating_point() else t.dtype).contiguous()
            for name, t in results.items()}


def names_and_shapes(make_model):
    with torch.device("meta"):
        model = make_model()
    return "".join(f"{name} {' '.join(map(str, tensor.shape))}".rstrip() + "\n"
                   for name, tensor in sorted(model.state_dict().items()))
