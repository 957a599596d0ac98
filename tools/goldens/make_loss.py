"""Writes tests/golden/loss: values and gradients of the four objectives in fp64, by the CLOOB authors' own code.

`training` is their program (github.com/ml-jku/cloob) and `hflayers` their Hopfield layers
(github.com/ml-jku/hopfield-layers); tools/update_goldens.sh puts both on the Python path."""
import functools
import pathlib
from types import SimpleNamespace

import torch
from hflayers import Hopfield
from references import statements
from safetensors.torch import save_file
from torch.nn import CrossEntropyLoss
from training import methods

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "loss"
LOSS_KINDS = ("info_nce", "info_loob")
ON_CPU = SimpleNamespace(gpu=None)


def unit_rows(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def hopfield_layer(dim, beta, steps):
    """The layer that their training creates, with `steps` retrieval steps. Beta is a tensor, for its gradient; the
    threshold is tiny, because our retrieval never stops early."""
    scope = {"Hopfield": functools.partial(Hopfield, update_steps_max=steps - 1, update_steps_eps=1e-300),
             "args": SimpleNamespace(scale_hopfield=beta.reshape(1)), "model_info": {"embed_dim": dim}}
    exec(statements("training.train", "hopfield_layer = Hopfield("), scope)
    return scope["hopfield_layer"]


def retrieved(x, y, layer, fraction):
    """The two pairs (U_x, U_y) and (V_y, V_x)."""
    states = x, y, y, x
    patterns = methods.hopfield_retrieval(x, y, layer)
    if fraction < 1:  # `retrieval.warmup_steps` is our extension: no reference has it, so this formula is ours too
        patterns = [unit_rows((1 - fraction) * state + fraction * pattern) for state, pattern in zip(states, patterns)]
    xx, yy, xy, yx = patterns
    return (xx, xy), (yy, yx)


def objective(kind, layer, x, y, s, fraction):
    """CLIP and CLOOB are the authors' functions; the objectives between them are composed of the same parts."""
    if kind == "info_nce" and layer is None:
        return methods.clip(x, y, s, CrossEntropyLoss(), CrossEntropyLoss(), ON_CPU)
    if kind == "info_loob" and layer is not None and fraction == 1:
        return methods.cloob(x, y, s, layer)
    pairs = ((x, y), (y, x)) if layer is None else retrieved(x, y, layer, fraction)
    if kind == "info_loob":
        return sum(methods.infoLOOB_loss(a, b, torch.eye(len(a)) > 0.5, inv_tau=s) for a, b in pairs)
    # Only the loss over the rows of each pair: clip() averages it with the loss over the columns, which is set to zero.
    return sum(methods.clip(a, b, s, CrossEntropyLoss(), lambda logits, truth: 0, ON_CPU) for a, b in pairs)


def features(n, d, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    # Pairs with a common component, all within a cone, like the features of a network.
    y = x + 0.7 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.5
    return unit_rows(x + 0.5), unit_rows(y)


def case(kind, hopfield, x, y, s, beta, steps, fraction):
    """The results of one case; gradients in fp32 keep the file small and have seven digits."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    log_s = torch.tensor(s, dtype=torch.float64).log().requires_grad_()
    log_beta = torch.tensor(beta, dtype=torch.float64).log().requires_grad_()
    layer = hopfield_layer(x.shape[1], log_beta.exp(), steps) if hopfield else None
    loss = objective(kind, layer, x, y, log_s.exp(), fraction)
    loss.backward()
    grad_log_beta = log_beta.grad if hopfield else torch.zeros((), dtype=torch.float64)
    return {
        "settings": torch.tensor([s, beta, steps, fraction], dtype=torch.float64),
        "loss": loss.detach(),
        "grad_image": x.grad.float(),
        "grad_text": y.grad.float(),
        "grad_log_inv_tau": log_s.grad,
        "grad_log_beta": grad_log_beta,
    }


def write(name, x, y, cases):
    tensors = {"image": x, "text": y}
    for index, (kind, hopfield, *settings) in enumerate(cases):
        label = f"{kind}-{'hopfield' if hopfield else 'none'}-{index}"
        tensors.update({f"{label}.{key}": value for key, value in case(kind, hopfield, x, y, *settings).items()})
    save_file(tensors, OUT / f"{name}.safetensors", {"torch": torch.__version__})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    x, y = features(64, 32, seed=1)
    write("objectives_large", x, y, [(kind, hopfield, 30.0, 8.0, 1, 1.0) for kind in LOSS_KINDS for hopfield in (0, 1)])
    x, y = features(24, 12, seed=2)
    plain = [(kind, False, s, 1.0, 1, 1.0) for kind in LOSS_KINDS for s in (1.0, 14.3, 100.0)]
    retrieving = [(kind, True, s, beta, steps, fraction) for kind in LOSS_KINDS for s, beta, steps, fraction in (
        (30.0, 14.3, 1, 1.0), (14.3, 1.0, 1, 1.0), (30.0, 8.0, 2, 1.0), (14.3, 20.0, 5, 1.0), (30.0, 8.0, 1, 0.0),
        (30.0, 8.0, 1, 0.25), (14.3, 14.3, 3, 0.75))]
    write("objectives_small", x, y, plain + retrieving)


if __name__ == "__main__":
    main()
