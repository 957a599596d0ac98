"""Writes tests/golden/optim/protoclip_*, and ProtoCLIP's files in tests/golden/model: parameter groups, AdamW steps, learning rates
and clamps, features and parameter names, all computed by the code of its authors.

`training` and `open_clip` are their program (github.com/megvii-research/protoclip); tools/update_goldens.sh puts them, and no other
reference, on the Python path."""
import json
import math
import pathlib
from types import SimpleNamespace

import open_clip
import torch
from formula import BATCH, TEXT, center_and_scale, filled, in_float32, make_images, make_tokens, names_and_shapes
from open_clip.model import CLIP
from references import statements
from safetensors.torch import save_file
from training.scheduler import protoclip_cosine_lr

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
GROUPS = ("visual_undecayed", "visual_decayed", "other_undecayed", "other_decayed")


def write_json(name, content):
    (GOLDEN / "optim" / name).write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n")


def head_arguments(layers=1, hidden=2048, out=128):
    return SimpleNamespace(add_projection_head=True, projection_n_layers=layers, projection_hidden_dim=hidden,
                           projection_dim=out)


def make_optimizer(model):
    """The optimizer that their main.py creates for a model, by its own statements."""
    code = statements("training.main", "visual = lambda", "non_visual = lambda", "exclude = ", "include = ",
                      "visual_named_parameters = ", "visual_gain_or_bias_params = ", "visual_rest_params = ",
                      "non_visual_named_parameters = ", "non_visual_gain_or_bias_params = ", "non_visual_rest_params = ",
                      "optimizer = optim.AdamW(")
    scope = {"model": model, "optim": torch.optim,
             "args": SimpleNamespace(lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, wd=0.5)}
    exec(code, scope)
    return scope["optimizer"]


def groups():
    """Number of dimensions of every parameter, by model and group."""
    content = {}
    for model_name in ("RN50", "ViT-B-32"):
        config = json.loads(pathlib.Path(open_clip.__path__[0], "model_configs", f"{model_name}.json").read_text())
        with torch.device("meta"):
            model = CLIP(**config, args=head_arguments(layers=2))
        names = {id(p): name for name, p in model.named_parameters()}
        assert len(names) == len(list(model.parameters()))
        param_groups = make_optimizer(model).param_groups
        assert [group["weight_decay"] for group in param_groups] == [0.0, 0.5, 0.0, 0.5]
        content[model_name] = {group: {names[id(p)]: p.ndim for p in their["params"]}
                               for group, their in zip(GROUPS, param_groups)}
    write_json("protoclip_groups.json", content)


SHAPES = {
    "visual.conv1.weight": (4, 3, 3, 3),
    "visual.layer1.0.downsample.1.weight": (8,),
    "visual.attnpool.positional_embedding": (5, 8),
    "token_embedding.weight": (10, 4),
    "text_projection": (4, 6),
    "ln_final.bias": (4,),
    "image_projection_head.0.weight": (4, 6),
    "image_projection_head.1.weight": (4,),
    "text_projection_head.3.bias": (3,),
    "logit_scale": (),
    "logit_scale_proto": (),
}
CLIP_NORM = 5.0


def adamw():
    """Four steps with their learning rates: the image tower stops before the last one."""
    generator = torch.Generator().manual_seed(7)
    start = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    tensors = {f"start.{name}": tensor for name, tensor in start.items()}
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
    optimizer = make_optimizer(SimpleNamespace(named_parameters=parameters.items))
    set_rates = protoclip_cosine_lr(optimizer, 1e-2, 1e-2, 1, 4, 3, 0, 4)
    rates = []
    for step in range(4):
        for name, parameter in parameters.items():
            parameter.grad = torch.randn(SHAPES[name], generator=generator)
            tensors[f"grad{step}.{name}"] = parameter.grad.clone()
        torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP_NORM)
        rates.append(set_rates(step))
        optimizer.step()
        tensors |= {f"step{step}.{name}": p.detach().clone() for name, p in parameters.items() if step >= 2}
    tensors["rates"] = torch.tensor(rates, dtype=torch.float64)
    save_file(tensors, GOLDEN / "optim" / "protoclip_adamw.safetensors", {"torch": torch.__version__})


def schedules():
    lr, lr_text, warmup, total = 3e-3, 2e-3, 7, 60
    optimizer = SimpleNamespace(param_groups=[{} for _ in GROUPS])
    cases = []
    for image_end, start, end in ((60, 0, 60), (40, 0, 60), (60, 9, 60), (60, 0, 33), (37, 11, 60), (60, 8, 41)):
        set_rates = protoclip_cosine_lr(optimizer, lr, lr_text, warmup, total, image_end, start, end)
        rates = []
        for step in range(total + 1):
            set_rates(step)
            image, image_again, other, other_again = (float(group["lr"]) for group in optimizer.param_groups)
            assert image == image_again and other == other_again
            rates.append([image, other])
        cases.append({"lr": lr, "lr_text": lr_text, "warmup_steps": warmup, "total_steps": total, "image_end_step": image_end,
                      "text_start_step": start, "text_end_step": end, "rates": rates})
    write_json("protoclip_schedules.json", cases)


def clamps():
    """Both log inverse temperatures after the clamps that their train.py applies after a step."""
    clamp = statements("training.train", "unwrap_model(model).logit_scale.clamp_(", "unwrap_model(model).logit_scale_proto.clamp_(")
    rows = []
    for value in (-3.0, -1e-6, 0.0, 2.66, 4.6051, 4.60517, 4.60518, 4.6052, 100.0):
        model = SimpleNamespace(logit_scale=torch.tensor(value), logit_scale_proto=torch.tensor(value))
        exec(clamp, {"math": math, "model": model, "unwrap_model": lambda model: model})
        rows.append([value, model.logit_scale.item(), model.logit_scale_proto.item()])
    write_json("protoclip_clamps.json", rows)


def make_small():
    """With attention heads of 64 features, as all of theirs. Their code ignores that quick_gelu is off."""
    vision = dict(image_size=64, layers=[1, 1, 1, 1], width=2, head_width=64)
    return CLIP(12, vision, TEXT | dict(width=64, heads=1), quick_gelu=False, args=head_arguments(hidden=6, out=4))


def features():
    model = make_small()
    model.load_state_dict({
        name: tensor if name.endswith("tracked") else torch.full((), 2.0) if tensor.ndim == 0 else
        filled(name, tuple(tensor.shape), *center_and_scale(name, tuple(tensor.shape)))
        for name, tensor in model.state_dict().items()})
    model.double().eval()
    tokens = make_tokens()
    with torch.no_grad():
        image, text, image_projected, text_projected, *_ = model(make_images(64), tokens)
    assert image.shape == (BATCH, 12) and image_projected.shape == text_projected.shape == (BATCH, 4)
    save_file(in_float32({"tokens": tokens, "image_features": image, "text_features": text}),
              GOLDEN / "model" / "protoclip_small.safetensors")
    (GOLDEN / "model" / "protoclip_small.names.txt").write_text(names_and_shapes(make_small))


if __name__ == "__main__":
    torch.manual_seed(1)
    groups()
    adamw()
    schedules()
    clamps()
    features()
