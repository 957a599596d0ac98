"""Writes tests/golden/optim: parameter groups, AdamW steps, clipping, learning rates, clamps and loss scales, all
computed by the code of the references.

`training` and `clip` are the CLOOB authors' program (github.com/ml-jku/cloob); tools/update_goldens.sh puts them
on the Python path."""
import json
import math
import pathlib
from types import SimpleNamespace

import open_clip
import torch
import training
from clip.model import CLIPGeneral
from open_clip_train import scheduler
from references import statements
from safetensors.torch import save_file
from training.scheduler import (get_cosine_schedule_with_warmup as cloob_cosine,
                                get_cosine_with_hard_restarts_schedule_with_warmup as cloob_restarts)

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "optim"
PROGRAMS = {"open_clip": "open_clip_train", "cloob": "training"}


def name_in(reference, name):
    """The name of a parameter in a reference, given its name in open_clip."""
    if reference == "open_clip" or name.startswith("visual."):
        return name
    return "logit_inv_tau" if name == "logit_scale" else "transformer." + name


def make_optimizer(reference, model):
    """The optimizer that a reference's main.py creates for a model, by its own statements."""
    code = statements(PROGRAMS[reference] + ".main", "def exclude(", "exclude = ", "def include(", "include = ",
                      "named_parameters = ", "gain_or_bias_params = ", "rest_params = ", "optimizer = optim.AdamW(")
    scope = {"model": model, "optim": torch.optim,
             "args": SimpleNamespace(lr=1e-2, beta1=0.9, beta2=0.98, eps=1e-6, wd=0.2)}
    exec(code, scope)
    return scope["optimizer"]


def write_json(name, content):
    (OUT / name).write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n")


def make_model(reference, name):
    """A reference's own model on the meta device."""
    with torch.device("meta"):
        if reference == "open_clip":
            return open_clip.CLIP(**open_clip.get_model_config(name))
        config = json.loads(pathlib.Path(training.__path__[0], "model_configs", f"{name}.json").read_text())
        image_tower = "VisualTransformer" if name.startswith("ViT") else "ModifiedResNet"
        return CLIPGeneral(backbone_architecture=[image_tower, "TextTransformer"], **config)


def decays(reference, model):
    """Whether weight decay applies to a parameter, by name."""
    decayed = {id(p) for group in make_optimizer(reference, model).param_groups if group["weight_decay"] > 0
               for p in group["params"]}
    return {name: id(p) in decayed for name, p in model.named_parameters()}


def groups():
    content = {}
    for model_name in ("RN50", "ViT-B-32"):
        models = {reference: make_model(reference, model_name) for reference in PROGRAMS}
        answers = {reference: decays(reference, model) for reference, model in models.items()}
        assert {name_in("cloob", name) for name in answers["open_clip"]} == answers["cloob"].keys()
        # Per parameter: number of dimensions, and whether it decays under open_clip and under CLOOB.
        content[model_name] = {
            name: [p.ndim] + [answers[reference][name_in(reference, name)] for reference in PROGRAMS]
            for name, p in models["open_clip"].named_parameters()}
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
    # Small, so that clipping does not change this one.
    gradients[2] = {name: gradient * 0.01 for name, gradient in gradients[2].items()}
    tensors = {f"start.{name}": tensor for name, tensor in start.items()}
    tensors |= {f"grad{i}.{name}": tensor for i, step in enumerate(gradients) for name, tensor in step.items()}
    for reference in PROGRAMS:
        parameters = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
        theirs = [(name_in(reference, name), parameter) for name, parameter in parameters.items()]
        optimizer = make_optimizer(reference, SimpleNamespace(named_parameters=lambda: theirs))
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
    """The part of an optimizer that open_clip's schedules use."""
    param_groups = ()


def cloob_rates(make_scheduler, lr, warmup, total, **settings):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=lr)
    schedule = make_scheduler(optimizer, warmup=warmup, num_training_steps=total, **settings)
    rates = []
    for _ in range(total + 3):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def schedules():
    lr, warmup, total = 3e-3, 7, 40
    cases = []

    def add(reference, kind, rates, **settings):
        cases.append({"reference": reference, "kind": kind, "base_lr": lr, "warmup_steps": warmup, "total_steps": total,
                      "settings": settings, "lr": list(rates)})

    def open_clip_rates(make_schedule, *settings):
        return map(make_schedule(Recorder, lr, warmup, total, *settings), range(total + 1))

    add("open_clip", "cosine", open_clip_rates(scheduler.cosine_lr))
    add("open_clip", "constant", open_clip_rates(scheduler.const_lr))
    for power, end in ((1.0, 0.0), (2.5, 1e-4)):
        add("open_clip", "constant_cooldown", open_clip_rates(scheduler.const_lr_cooldown, 12, power, end),
            cooldown_steps=12, cooldown_power=power, cooldown_end_lr=end)
    add("cloob", "cosine", cloob_rates(cloob_cosine, lr, warmup, total))
    for cycles in (1, 3):
        add("cloob", "cosine_restarts", cloob_rates(cloob_restarts, lr, warmup, total, num_cycles=cycles),
            restart_cycles=cycles)
    write_json("schedules.json", cases)


def clamped(reference, value):
    """The log inverse temperature after the clamp that a reference's train.py applies after a step."""
    clamp = statements(PROGRAMS[reference] + ".train", "unwrap_model(model).logit_scale.clamp_(",
                       "m.logit_inv_tau.data = ")
    scale = torch.nn.Parameter(torch.tensor(value))
    model = SimpleNamespace(logit_scale=scale, logit_inv_tau=scale)
    with torch.no_grad():
        exec(clamp, {"torch": torch, "math": math, "model": model, "m": model, "unwrap_model": lambda model: model})
    return scale.item()


def clamps():
    values = (-3.0, -1e-6, 0.0, 1e-6, 2.66, 4.6, 4.6051, 4.60517, 4.60518, 4.6052, 4.6053, 5.0, 100.0)
    write_json("clamps.json", {r: [[value, clamped(r, value)] for value in values] for r in PROGRAMS})


def loss_scaler():
    """For each step whether it overflows, and afterwards PyTorch's scale, tracker, gradient and whether it stepped."""
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
    clamps()
    loss_scaler()
