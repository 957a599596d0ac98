"""Writes tests/golden/loss/siglip.safetensors: values and gradients of the sigmoid loss in fp64, by open_clip's SigLipLoss,
in one process and in several that exchange their features, and tests/golden/checkpoint/siglip: a model that open_clip made
with `init_logit_bias`, as its `--siglip` does, with a loss of a batch.

Usage: python tools/goldens/make_siglip.py   (torch 2.15, open_clip_torch 3.3)
"""
import json
import os
import socket
from pathlib import Path

import open_clip
import torch
import torch.distributed
import torch.multiprocessing
from open_clip.loss import SigLipLoss
from open_clip.model import CLIP
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
# inverse temperature, bias, beta (0: no retrieval), processes
CASES = [(10.0, -10.0, 0.0, 1), (1.0, 0.0, 0.0, 1), (100.0, -20.0, 0.0, 1), (14.3, -5.0, 0.0, 1), (10.0, -10.0, 8.0, 1),
         (30.0, -12.0, 14.3, 1), (5.0, -2.0, 1.0, 1), (10.0, -10.0, 0.0, 2), (10.0, -10.0, 0.0, 3), (30.0, -6.0, 0.0, 3)]


def unit_rows(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def features(n, d, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = x + 0.7 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.5
    return unit_rows(x + 0.5), unit_rows(y)


def retrieve(state, stored, beta):
    return unit_rows((beta * state @ stored.T).softmax(dim=1) @ stored)


def leaves(x, y, s, bias):
    log_s = torch.tensor(s, dtype=torch.float64).log()
    return [tensor.clone().requires_grad_() for tensor in (x, y, log_s, torch.tensor(bias, dtype=torch.float64))]


def objective(loss, x, y, log_s, bias, beta):
    if beta == 0:
        return loss(x, y, log_s.exp(), bias)
    sums = [loss(retrieve(a, stored, beta), retrieve(b, stored, beta), log_s.exp(), bias)
            for a, b, stored in ((x, y, x), (y, x, y))]
    return sum(sums) / 2


def on_rank(rank, world_size, port, x, y, s, bias, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    rows = slice(rank * len(x) // world_size, (rank + 1) * len(x) // world_size)
    own = leaves(x[rows], y[rows], s, bias)
    loss = objective(SigLipLoss(rank=rank, world_size=world_size), *own, 0)
    loss.backward()
    results[rank] = [loss.detach().tolist()] + [leaf.grad.tolist() for leaf in own]
    torch.distributed.destroy_process_group()


def on_ranks(world_size, x, y, s, bias):
    """What distributed data parallel makes of it: the mean over the processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.spawn(on_rank, (world_size, port, x, y, s, bias, results), world_size)
        parts = [[torch.tensor(value, dtype=torch.float64) for value in results[rank]] for rank in range(world_size)]
    loss, images, texts, log_s, bias = zip(*parts)
    mean = [sum(values) / world_size for values in (loss, log_s, bias)]
    return mean[0], torch.cat(images) / world_size, torch.cat(texts) / world_size, mean[1], mean[2]


def case(x, y, s, bias, beta, world_size):
    if world_size > 1:
        return on_ranks(world_size, x, y, s, bias)
    own = leaves(x, y, s, bias)
    loss = objective(SigLipLoss(), *own, beta)
    loss.backward()
    return [loss.detach()] + [leaf.grad for leaf in own]


def write_losses():
    x, y = features(24, 12, seed=2)
    tensors = {"image": x, "text": y}
    for index, settings in enumerate(CASES):
        names = ("loss", "grad_image", "grad_text", "grad_log_inv_tau", "grad_bias")
        tensors[f"{index}.settings"] = torch.tensor(settings, dtype=torch.float64)
        for name, value in zip(names, case(x, y, *settings)):
            # fp32 keeps the file small and has seven digits.
            tensors[f"{index}.{name}"] = value.float() if value.dim() else value
    save_file(tensors, GOLDEN / "loss" / "siglip.safetensors", {"torch": torch.__version__})


def write_model():
    """With the files next to it that open_clip makes it from, in a folder."""
    folder = GOLDEN / "checkpoint" / "siglip"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    config = {"embed_dim": 6,
              "init_logit_scale": 2.302585092994046,
              "init_logit_bias": -10,
              "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "head_width": 4, "patch_size": 4},
              "text_cfg": {"context_length": 6, "vocab_size": 20, "width": 8, "heads": 2, "layers": 1, "eos_id": 19}}
    model = CLIP(**{**config, "vision_cfg": open_clip.CLIPVisionCfg(**config["vision_cfg"]),
                    "text_cfg": open_clip.CLIPTextCfg(**config["text_cfg"])}, output_dict=True).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
        model.logit_bias.fill_(-4.25)
    images = torch.randn(5, 3, 8, 8)
    tokens = torch.randint(1, 18, (5, 6))
    ends = torch.tensor([2, 3, 5, 4, 5])
    tokens[range(5), ends] = 19
    for row, end in zip(tokens, ends):
        row[end + 1:] = 0
    output = model(images, tokens)
    loss = SigLipLoss()(**output)
    save_file(dict(model.state_dict()), folder / "open_clip_model.safetensors", {"format": "pt"})
    save_file({"images": images, "tokens": tokens, "ends": ends, "loss": loss.detach(),
               "image_features": output["image_features"].detach(), "text_features": output["text_features"].detach()},
              folder / "expected.safetensors", {"torch": torch.__version__})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}, indent=1) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    write_losses()
    write_model()
