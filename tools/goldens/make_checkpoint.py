"""Writes tests/golden/checkpoint: files in the formats of PyTorch, safetensors, open_clip, OpenAI and CLOOB.

Usage: python tools/goldens/make_checkpoint.py   (torch 2.15, safetensors 0.8)
"""
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "checkpoint"


def all_dtypes():
    """Every tensor holds 0, 1, 2, ... (bool: 0, 1, 0, ...) in shape (2, 3), except the last two."""
    names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64", "uint32",
             "uint16", "uint8", "float8_e4m3fn", "float8_e5m2", "complex64"]
    tensors = {name: torch.arange(6, dtype=torch.float32).reshape(2, 3).to(getattr(torch, name)) for name in names}
    tensors["bool"] = torch.arange(6).reshape(2, 3) % 2 == 1
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def strided_tensors():
    """Every layout that a tensor can have in its storage."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return OrderedDict(
        plain=base, transposed=base.t(), row=base[2], column=base[:, 1], every_other=base[::2, 1::3],
        expanded=torch.tensor([[1.5], [2.5]]).expand(2, 3), scalar=torch.tensor(7), empty=torch.zeros(0, 3),
        parameter=nn.Parameter(base[:2] + 1), half=base[0].half(), bfloat=base[1].bfloat16(), double=base[0].double(),
        integer=torch.tensor([-1, 2**40]), small=torch.tensor([-1, 5], dtype=torch.int8), truth=base[0] > 2)


def values():
    """Every kind of value that a checkpoint may contain besides tensors."""
    return {
        "none": None, "true": True, "false": False, "zero": 0, "byte": 200, "short": 60000, "negative": -5,
        "long": 2**40, "longest": -(2**63), "huge": 2**70, "real": 0.1, "text": "caf\u00e9", "empty_text": "",
        "list": [1, [2, "three"], None], "tuple": (1, 2, 3, 4), "pair": (1, 2), "set": {5},
        "ordered": OrderedDict([("b", 1), ("a", 2)]), "size": torch.Size([2, 3]), "dtype": torch.bfloat16,
        "device": torch.device("cpu"), 3: "integer key", "tensor": torch.ones(2), "nested": {"x": {"y": [torch.ones(1)]}},
    }


def clip_weights():
    """A toy model under open_clip's names. All values are halves, so that fp16 files contain exactly the same values."""
    generator = torch.Generator().manual_seed(3)
    shapes = {
        "visual.conv1.weight": (2, 3, 1, 1), "visual.bn1.weight": (2,), "visual.bn1.bias": (2,),
        "visual.bn1.running_mean": (2,), "visual.bn1.running_var": (2,), "visual.layer1.0.conv1.weight": (2, 2, 1, 1),
        "visual.attnpool.positional_embedding": (2, 4), "visual.attnpool.q_proj.weight": (4, 4),
        "positional_embedding": (5, 4), "text_projection": (4, 3), "token_embedding.weight": (7, 4),
        "transformer.resblocks.0.attn.in_proj_weight": (12, 4), "transformer.resblocks.0.ln_1.weight": (4,),
        "ln_final.weight": (4,), "ln_final.bias": (4,),
    }
    weights = {name: torch.randn(shape, generator=generator).half().float() for name, shape in shapes.items()}
    weights["visual.bn1.num_batches_tracked"] = torch.tensor(12)
    weights["logit_scale"] = torch.tensor(2.5)
    return weights


class Branch(nn.Module):
    """A module with the parameters and children of a nested dictionary and a trivial forward."""

    def __init__(self, weights, buffers=()):
        super().__init__()
        children = {}
        for name, tensor in weights.items():
            first, _, rest = name.partition(".")
            if rest:
                children.setdefault(first, {})[rest] = tensor
            elif tensor.is_floating_point() and "running" not in name:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
        for name, nested in children.items():
            self.add_module(name, Branch(nested))
        for name, value in buffers:
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x):
        return x + 1


def openai_module(weights):
    """The contents of OpenAI's archives: half precision, and three numbers as buffers."""
    buffers = [("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)]
    return Branch({name: t.half() if t.is_floating_point() else t for name, t in weights.items()}, buffers).eval()


def cloob_names(weights):
    text = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.")
    names = {name: ("transformer." + name if name.startswith(text) else name) for name in weights}
    names["logit_scale"] = "logit_inv_tau"
    return {"module." + names[name]: tensor for name, tensor in weights.items()}


def training_checkpoint(weights):
    """As open_clip's trainer writes it under distributed data parallel."""
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"epoch": 7, "name": "toy", "state_dict": OrderedDict(("module." + n, t) for n, t in weights.items()),
            "optimizer": optimizer.state_dict(), "scaler": {"scale": 65536.0, "growth_tracker": 3}}


class Calls:
    """Pickles as a call of an arbitrary function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def save_pickle(content, name):
    """Writes an archive like torch.save's around an arbitrary pickle."""
    with zipfile.ZipFile(FOLDER / name, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("archive/data.pkl", (1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, content if isinstance(content, bytes) else pickle.dumps(content, protocol=2))


def save_malicious_files():
    import os
    save_pickle({"state_dict": Calls(os.system, "touch /tmp/owned")}, "calls_os_system.pt")
    save_pickle([Calls(eval, "1+1")], "calls_eval.pt")
    save_pickle(OrderedDict(a=[1, {"b": Calls(getattr, "x", "y")}]), "calls_getattr_inside.pt")
    save_pickle(Calls(Calls, OrderedDict), "asks_for_a_class.pt")
    save_pickle(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "calls_by_stack_global.pt")


def rewrite(source, name, change):
    """A copy of an archive with the contents of its entries changed."""
    with zipfile.ZipFile(FOLDER / source) as old, zipfile.ZipFile(FOLDER / name, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            copy = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
            new.writestr(copy, change(entry.filename, old.read(entry)))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    weights = clip_weights()
    save_file(all_dtypes(), FOLDER / "python.safetensors", metadata={"format": "pt"})

    torch.save(strided_tensors(), FOLDER / "strided.pt")
    save_file({name: t.detach().contiguous().clone() for name, t in strided_tensors().items()},
              FOLDER / "strided.safetensors")
    torch.save(values(), FOLDER / "values.pt")
    torch.save(values(), FOLDER / "values_protocol_5.pt", pickle_protocol=5)
    # The legacy format names storages by their memory addresses; only its beginning matters here.
    (FOLDER / "legacy.pt").write_bytes(pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2))
    torch.save(nn.Linear(1, 1), FOLDER / "whole_module.pt")
    rewrite("strided.pt", "big_endian.pt", lambda name, old: b"big" if name.endswith("byteorder") else old)

    save_file(weights, FOLDER / "weights.safetensors", metadata={"format": "pt"})
    torch.save(OrderedDict(weights), FOLDER / "open_clip.pt")
    torch.save(training_checkpoint(weights), FOLDER / "open_clip_training.pt")
    custom = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.")
    torch.save({("text." + n if n.startswith(custom) else n): t for n, t in weights.items()}, FOLDER / "custom_text.pt")
    cloob = cloob_names(weights)
    cloob["module.logit_scale_hopfield"] = torch.tensor(2.0)
    torch.save({"epoch": 28, "name": "toy", "state_dict": cloob, "model_config_file": "RN50.json", "method": "cloob"},
               FOLDER / "cloob.pt")
    torch.jit.script(openai_module(weights)).save(FOLDER / "openai_scripted.pt")
    torch.jit.trace(openai_module(weights), torch.ones(1)).save(FOLDER / "openai_traced.pt")

    save_malicious_files()
    for file in FOLDER.iterdir():
        if file.is_file():
            file.chmod(0o644)  # safetensors makes its files private


if __name__ == "__main__":
    main()
