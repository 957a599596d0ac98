"""Writes tests/golden/loss: values and gradients of the four objectives, from formulas written here in PyTorch, in fp64.

usage: make_loss.py [--hflayers DIR]
DIR holds the package of github.com/ml-jku/hopfield-layers; the retrieval used here is then first compared with it."""
import argparse
import itertools
import pathlib
import sys

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "loss"
LOSS_KINDS = ("info_nce", "info_loob")


def unit_rows(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def retrieve(state, stored, beta, steps):
    """The association matrix is iterated as hopfield-layers does it: one softmax, then `steps - 1` more of them on the
    pattern that the last one describes."""
    xi = torch.softmax(beta * state @ stored.T, dim=1)
    for _ in range(steps - 1):
        xi = torch.softmax(beta * (xi @ stored) @ stored.T, dim=1)
    return unit_rows(xi @ stored)


def blended(state, stored, beta, steps, share):
    retrieved = retrieve(state, stored, beta, steps)
    return retrieved if share == 1 else unit_rows((1 - share) * state + share * retrieved)


def nce(a, b, s):
    return torch.nn.functional.cross_entropy(s * a @ b.T, torch.arange(len(a)))


def loob(a, b, s):
    k = s * a @ b.T
    off_diagonal = k[~torch.eye(len(a), dtype=torch.bool)].view(len(a), len(a) - 1)
    return (off_diagonal.logsumexp(dim=1) - k.diagonal()).mean() / s


def objective(kind, hopfield, x, y, s, beta, steps, share):
    if hopfield:
        u_x, u_y = blended(x, x, beta, steps, share), blended(y, x, beta, steps, share)
        v_x, v_y = blended(x, y, beta, steps, share), blended(y, y, beta, steps, share)
        pairs = (u_x, u_y), (v_y, v_x)
    else:
        pairs = (x, y), (y, x)
    if kind == "info_nce":
        return sum(nce(a, b, s) for a, b in pairs) / 2
    return sum(loob(a, b, s) for a, b in pairs)


def features(n, d, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    # Pairs that share a part, all in a cone, as features of a network are.
    y = x + 0.7 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.5
    return unit_rows(x + 0.5), unit_rows(y)


def case(kind, hopfield, x, y, s, beta, steps, share):
    """The results of one case; gradients in fp32 keep the file small and seven digits."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    log_s = torch.tensor(s, dtype=torch.float64).log().requires_grad_()
    log_beta = torch.tensor(beta, dtype=torch.float64).log().requires_grad_()
    loss = objective(kind, hopfield, x, y, log_s.exp(), log_beta.exp(), steps, share)
    loss.backward()
    grad_log_beta = log_beta.grad if hopfield else torch.zeros((), dtype=torch.float64)
    return {
        "settings": torch.tensor([s, beta, steps, share], dtype=torch.float64),
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


def check_against_hflayers(folder):
    sys.path.insert(0, folder)
    from hflayers import Hopfield

    x, y = features(24, 12, seed=3)
    for beta, steps in itertools.product((2.0, 8.0, 30.0), (1, 2, 4)):
        # A tiny threshold: ours never stops early.
        module = Hopfield(scaling=beta, update_steps_max=steps - 1, update_steps_eps=1e-300,
                          normalize_stored_pattern=False, normalize_stored_pattern_affine=False,
                          normalize_state_pattern=False, normalize_state_pattern_affine=False,
                          normalize_pattern_projection=False, normalize_pattern_projection_affine=False,
                          normalize_hopfield_space=False, normalize_hopfield_space_affine=False,
                          stored_pattern_as_static=True, state_pattern_as_static=True,
                          pattern_projection_as_static=True, disable_out_projection=True, num_heads=1, dropout=False)
        theirs = unit_rows(module((y[None], x[None], y[None]))[0])
        difference = (theirs - retrieve(x, y, beta, steps)).abs().max().item()
        print(f"beta {beta}, {steps} steps: largest difference from hopfield-layers {difference:.1e}")
        assert difference < 1e-12


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hflayers")
    arguments = parser.parse_args()
    if arguments.hflayers:
        check_against_hflayers(arguments.hflayers)
    OUT.mkdir(parents=True, exist_ok=True)
    x, y = features(64, 32, seed=1)
    write("objectives_large", x, y, [(kind, hopfield, 30.0, 8.0, 1, 1.0) for kind in LOSS_KINDS for hopfield in (0, 1)])
    x, y = features(24, 12, seed=2)
    plain = [(kind, False, s, 1.0, 1, 1.0) for kind in LOSS_KINDS for s in (1.0, 14.3, 100.0)]
    retrieved = [(kind, True, s, beta, steps, share) for kind in LOSS_KINDS for s, beta, steps, share in (
        (30.0, 14.3, 1, 1.0), (14.3, 1.0, 1, 1.0), (30.0, 8.0, 2, 1.0), (14.3, 20.0, 5, 1.0), (30.0, 8.0, 1, 0.0),
        (30.0, 8.0, 1, 0.25), (14.3, 14.3, 3, 0.75))]
    write("objectives_small", x, y, plain + retrieved)


if __name__ == "__main__":
    main()
