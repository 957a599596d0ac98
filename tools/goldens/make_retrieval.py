"""Writes tests/golden/retrieval: results and gradients of Hopfield layers in fp64, by the layers of
github.com/ml-jku/hopfield-layers, which tools/update_goldens.sh puts on the Python path."""
import pathlib

import torch
from hflayers import Hopfield, HopfieldLayer, HopfieldPooling
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "retrieval"
AS_THEY_ARE = {f"normalize_{part}": False for pattern in ("state_pattern", "stored_pattern", "pattern_projection")
               for part in (pattern, pattern + "_affine")}
STATIC = {f"{pattern}_as_static": True for pattern in ("state_pattern", "stored_pattern", "pattern_projection")}


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomized(layer):
    """Gains, biases and projections far from their initial values, so that each matters."""
    layer = layer.double()
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=100 + seed) * 0.5)
    return layer


def inputs_of(sizes, sets=2, states=3, stored=5):
    """State patterns, stored patterns and values of some sets."""
    return [draw(sets, count, size, seed=seed).requires_grad_()
            for seed, (count, size) in enumerate(zip((states, stored, stored), sizes))]


def present(sets=2, stored=5):
    """Which stored patterns there are: fewer in the second set."""
    mask = torch.ones(sets, stored, dtype=torch.bool)
    mask[1:, 3:] = False
    return mask


def run(forward, weights, layer, inputs, log_beta, mask=None):
    """What the tests compare. The layers' masks say what is left out."""
    output = forward()
    leaves = dict(layer.named_parameters(), **{f"input_{i}": tensor for i, tensor in enumerate(inputs)})
    if log_beta is not None:
        leaves["log_beta"] = log_beta
    target = draw(*output.shape, seed=50)
    # Not every element has an effect: hopfield-layers has biases for values that are not projected.
    gradients = torch.autograd.grad((output * target).sum(), list(leaves.values()), allow_unused=True)
    result = {"output": output.detach(), "weights": weights.detach(), "target": target}
    result.update({f"value.{name}": leaf.detach() for name, leaf in leaves.items()})
    result.update({f"grad.{name}": torch.zeros_like(leaf) if gradient is None else gradient
                   for (name, leaf), gradient in zip(leaves.items(), gradients)})
    if mask is not None:
        result["mask"] = mask
    return result


def association(sizes=(6, 6, 6), beta=None, is_present=None, may_retrieve=None, **options):
    """`is_present` (B, M) or `may_retrieve` (L, M) is the mask. All heads have the same beta: the layer takes a tensor with
    one for each, but multiplies every head's features by all of them in turn (docs/deviations.md)."""
    log_beta = None if beta is None else torch.tensor(beta, dtype=torch.float64).log().requires_grad_()
    layer = randomized(Hopfield(input_size=sizes[0], stored_pattern_size=sizes[1], pattern_projection_size=sizes[2],
                                scaling=None if beta is None else log_beta.exp().expand(options.get("num_heads", 1)),
                                **options))
    state, stored, values = inputs = inputs_of(sizes)
    masks, mask = {}, None
    if is_present is not None:
        masks, mask = {"stored_pattern_padding_mask": ~is_present}, is_present[:, None]
    if may_retrieve is not None:
        masks, mask = {"association_mask": ~may_retrieve}, may_retrieve[None]
    data = stored, state, values
    return run(lambda: layer(data, **masks), layer.get_association_matrix(data, **masks), layer, inputs, log_beta, mask)


def pooling():
    layer = randomized(HopfieldPooling(input_size=6, num_heads=2, quantity=2))
    _, stored, values = inputs_of((6, 6, 6))
    masks = {"stored_pattern_padding_mask": ~present()}
    data = stored, values
    return run(lambda: layer(data, **masks), layer.get_association_matrix(data, **masks), layer, data, None, present())


def lookup(**options):
    layer = randomized(HopfieldLayer(input_size=6, num_heads=2, quantity=4, **options))
    state = inputs_of((6, 6, 6))[0]
    return run(lambda: layer(state), layer.get_association_matrix(state), layer, [state], None)


def self_association():
    layer = randomized(Hopfield(input_size=6, num_heads=2))
    inputs = inputs_of((6, 6, 6))[1:2]
    return run(lambda: layer(inputs[0]), layer.get_association_matrix(inputs[0]), layer, inputs, None)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = {
        "self": self_association(),
        "sizes": association((6, 5, 7), hidden_size=4, pattern_size=3, output_size=2, num_heads=2,
                             is_present=present()),
        "own_pattern_excluded": association(num_heads=3, may_retrieve=~torch.eye(3, 5, dtype=torch.bool)),
        "beta": association(num_heads=2, beta=3.0),
        "steps": association(hidden_size=4, num_heads=2, beta=1.5, update_steps_max=3, update_steps_eps=1e-12),
        "one_head_stops": association(hidden_size=4, num_heads=2, beta=1.5, update_steps_max=3, update_steps_eps=0.2),
        "until_converged": association(hidden_size=4, num_heads=2, beta=0.5, update_steps_max=None,
                                       update_steps_eps=1e-3, is_present=present()),
        "hidden_norm": association(hidden_size=4, num_heads=2, normalize_hopfield_space=True, beta=0.3),
        "no_norms": association(num_heads=2, **AS_THEY_ARE),
        "static": association(beta=2.0, update_steps_max=1, disable_out_projection=True, **AS_THEY_ARE, **STATIC),
        "static_state": association((4, 5, 5), hidden_size=4, state_pattern_as_static=True),
        "static_stored": association((6, 4, 6), hidden_size=4, stored_pattern_as_static=True),
        "static_values": association((6, 6, 9), hidden_size=4, pattern_projection_as_static=True,
                                     disable_out_projection=True),
        "pooling": pooling(),
        "lookup": lookup(),
        "lookup_values": lookup(lookup_weights_as_separated=True, pattern_projection_size=5),
    }
    tensors = {f"{label}.{name}": tensor.contiguous() for label, case in cases.items() for name, tensor in case.items()}
    save_file(tensors, OUT / "hopfield_layers.safetensors", {"torch": torch.__version__})


if __name__ == "__main__":
    main()
