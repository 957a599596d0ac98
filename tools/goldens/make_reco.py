"""Writes tests/golden/model/fusion.safetensors: RECO's fusion by PyTorch's TransformerEncoderLayer, and the mean.

There is no public code of RECO; what is compared is the transformer layer on a query and what was retrieved for it, with padding."""
import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
QUERIES, NEIGHBORS, DIM, HEADS, RATIO, LAYERS = 6, 4, 12, 3, 2, 2
NAMES = {"self_attn.in_proj_": "attn.in_proj_", "self_attn.out_proj.": "attn.out_proj.", "linear1.": "mlp.c_fc.", "linear2.": "mlp.c_proj.",
         "norm1.": "ln_1.", "norm2.": "ln_2."}


def our_name(layer, name):
    for theirs, ours in NAMES.items():
        if name.startswith(theirs):
            return f"transformer.resblocks.{layer}.{ours}{name.removeprefix(theirs)}"
    raise KeyError(name)


def main():
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    query = F.normalize(torch.randn(QUERIES, DIM), dim=1).requires_grad_()
    retrieved = F.normalize(torch.randn(QUERIES, NEIGHBORS, DIM), dim=2)
    counts = torch.tensor([4, 2, 0, 4, 1, 2])
    types = (0.3 * torch.randn(2, DIM)).requires_grad_()
    layers = [torch.nn.TransformerEncoderLayer(DIM, HEADS, RATIO * DIM, dropout=0, activation="gelu", batch_first=True, norm_first=True)
              for _ in range(LAYERS)]
    for layer in layers:
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    x = torch.cat([(query + types[0])[:, None], retrieved + types[1]], dim=1)
    is_padding = torch.arange(NEIGHBORS + 1)[None] > counts[:, None]
    for layer in layers:
        x = layer(x, src_key_padding_mask=is_padding)
    output = F.normalize(x[:, 0], dim=1)
    output.backward(torch.linspace(-1, 1, output.numel()).reshape(output.shape))
    tensors = {"query": query, "retrieved": retrieved, "counts": counts, "output": output, "grad_query": query.grad,
               "weight.type_embedding": types, "grad.type_embedding": types.grad}
    for number, layer in enumerate(layers):
        for name, parameter in layer.named_parameters():
            tensors["weight." + our_name(number, name)] = parameter
            tensors["grad." + our_name(number, name)] = parameter.grad
    weight = 0.3
    is_there = ~is_padding[:, 1:]
    mean = (retrieved * is_there[..., None]).sum(1) / counts.clamp(min=1)[:, None]
    mixed = torch.where(counts[:, None] > 0, (1 - weight) * query + weight * mean, query)
    tensors["mean"] = F.normalize(mixed, dim=1)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, GOLDEN / "model" / "fusion.safetensors")


main()
