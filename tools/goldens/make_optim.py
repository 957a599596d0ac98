"""Writes tests/golden/optim: parameter groups, AdamW steps, clipping, learning rates and loss scales of the references.

open_clip's schedules are its own code; CLOOB's groups and schedules are written here from their formulas."""
import json
import math
import pathlib

import open_clip
import torch
from open_clip_train import scheduler
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "optim"
REFERENCES = ("open_clip", "cloob")


def undecayed(reference, name, tensor):
    if reference == "open_clip":
        exempt = ("bn", "ln", "bias", "logit_scale")
        return tensor.ndim < 2 or any(part in name for part in exempt)
    # CLOOB's scale is called logit_inv_tau, so that its pattern "logit_scale" does not match it.
    theirs = name.replace("logit_scale", "logit_inv_tau")
    return any(part in theirs for part in ("bn", "ln", "bias", "logit_scale"))


def write_json(name, content):
    (OUT / name).write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n")


def groups():
    content = {}
    for model in ("RN50", "ViT-B-32"):
        parameters = dict(open_clip.create_model(model).named_parameters())
        # Per parameter: number of dimensions, and whether it decays under open_clip and under CLOOB.
        content[model] = {name: [p.ndim] + [not undecayed(r, name, p) for r in REFERENCES] for name, p in parameters.items()}
    write_json("groups.json", content)


SHAPES = {
    "visual.conv1.weight": (4, 3, 3, 3),
    "visual.bn1.weight": (4,),
    "visual.bn1.bias": (4,),
    "visual.layer1.0.downsample.1.weight": (8,),
    "visual.attnpool.positional_embedding": (5, 8),
    "visual.class_embedding": (8,),
    "transformer.resblocks.0.attn.in_proj_weight": (12, 4),
    "transformer.resblocks.0.attn.in_proj_bias": (12,),
    "transformer.resblocks.0.ln_1.weight": (4,),
    "token_embedding.weight": (10, 4),
    "ln_final.bias": (4,),
    "text_projection": (4, 6),
    "logit_scale": (),
}
SKIPPED = ("token_embedding.weight", 1)  # this parameter has no gradient in this step
CLIP_NORM = 5.0


def adamw():
    generator = torch.Generator().manual_seed(5)
    start = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    gradients = [{name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()} for _ in range(4)]
    # Weak, so that clipping leaves this one alone.
    gradients[2] = {name: gradient * 0.01 for name, gradient in gradients[2].items()}
    tensors = {f"start.{name}": tensor for name, tensor in start.items()}
    tensors |= {f"grad{i}.{name}": tensor for i, step in enumerate(gradients) for name, tensor in step.items()}
    for reference in REFERENCES:
        parameters = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
        exempt = [p for name, p in parameters.items() if undecayed(reference, name, p)]
        rest = [p for name, p in parameters.items() if not undecayed(reference, name, p)]
        optimizer = torch.optim.AdamW([{"params": exempt, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.2}],
                                      lr=1e-2, betas=(0.9, 0.98), eps=1e-6, foreach=False, fused=False)
        norms = []
        for i, step in enumerate(gradients):
            for name, parameter in parameters.items():
                parameter.grad = None if (name, i) == SKIPPED else step[name].clone()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP_NORM))
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (i + 1)
            optimizer.step()
            if i in (0, 3):
                tensors |= {f"{reference}.step{i}.{name}": p.detach().clone() for name, p in parameters.items()}
        tensors[f"{reference}.norms"] = torch.stack(norms)
    save_file(tensors, OUT / "adamw.safetensors", {"torch": torch.__version__})


class Recorder:
    """What open_clip's schedules want of an optimiser."""
    param_groups = ()


def cloob_multiplier(kind, step, warmup, total, cycles):
    if step < warmup:
        return step / max(1, warmup)
    progress = (step - warmup) / max(1, total - warmup)
    if kind == "cosine":
        return max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))
    return 0.0 if progress >= 1 else 0.5 * (1 + math.cos(math.pi * ((cycles * progress) % 1.0)))


def schedules():
    lr, warmup, total = 3e-3, 7, 40
    cases = []

    def add(reference, kind, function, steps, **settings):
        cases.append({"reference": reference, "kind": kind, "base_lr": lr, "warmup_steps": warmup, "total_steps": total,
                      "settings": settings, "lr": [function(step) for step in steps]})

    add("open_clip", "cosine", scheduler.cosine_lr(Recorder, lr, warmup, total), range(total + 1))
    add("open_clip", "constant", scheduler.const_lr(Recorder, lr, warmup, total), range(total + 1))
    for power, end in ((1.0, 0.0), (2.5, 1e-4)):
        function = scheduler.const_lr_cooldown(Recorder, lr, warmup, total, 12, power, end)
        add("open_clip", "constant_cooldown", function, range(total + 1), cooldown_steps=12, cooldown_power=power,
            cooldown_end_lr=end)
    add("cloob", "cosine", lambda step: lr * cloob_multiplier("cosine", step, warmup, total, 1), range(total + 3))
    for cycles in (1, 3):
        add("cloob", "cosine_restarts", lambda step: lr * cloob_multiplier("restarts", step, warmup, total, cycles),
            range(total + 3), restart_cycles=cycles)
    write_json("schedules.json", cases)


def loss_scaler():
    """Which of the steps overflow, and PyTorch's scale, tracker, gradient and whether it stepped after each."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    rows = []
    for overflows in (0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0):
        before = parameter.detach().clone()
        optimizer.zero_grad()
        scaler.scale((parameter * torch.tensor([float("inf") if overflows else 0.1, 0.3])).sum()).backward()
        scaler.unscale_(optimizer)
        gradient = parameter.grad[1].item()
        scaler.step(optimizer)
        scaler.update()
        rows.append({"overflows": bool(overflows), "scale": scaler.get_scale(), "tracker": scaler._get_growth_tracker(),
                     "gradient": gradient, "stepped": not torch.equal(before, parameter)})
    write_json("loss_scaler.json", {"initial_scale": 1024.0, "growth_interval": 3, "steps": rows})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    groups()
    adamw()
    schedules()
    loss_scaler()
