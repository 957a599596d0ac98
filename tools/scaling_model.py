#!/usr/bin/env python3
"""Writes the tables of docs/scaling.md, which are a model on paper: its assumptions and formulas are here.

  tools/scaling_model.py                        prints them
  tools/scaling_model.py --update docs/scaling.md   replaces them, between the lines <!-- tables --> and <!-- end -->
"""

import argparse
import dataclasses
import math
import pathlib

BATCH = 32_768  # N, of all ranks
RANKS = (8, 64, 1024)  # W
FP32 = 4  # bytes

# Assumptions. FLOP/s are achieved ones of a GPU, bytes/s those that every rank sends at the same time.
LOSS_FLOPS = 200e12
BANDWIDTH = 300e9
RING_HOP = 3e-6  # s, of W - 1 in an all-gather or a reduce-scatter
TREE_HOP = 5e-6  # s, of 2 log2 W in an all-reduce
KERNEL_LAUNCH = 4e-6  # s
TILE = 1024  # loss.tile_size as it is by default
LARGE_TILE = 4096


@dataclasses.dataclass
class Model:
    name: str
    dim: int  # D
    parameters: float  # P
    forward_flops: float  # of a pair, open_clip's docs/model_profile.csv
    flops: float  # achieved by its towers

    def towers(self, ranks):
        return 3 * self.forward_flops * BATCH / ranks / self.flops


MODELS = (Model("ViT-B-32", 512, 151.28e6, 14.78e9, 300e12), Model("RN50", 1024, 102.01e6, 18.18e9, 200e12))


@dataclasses.dataclass
class Method:
    name: str
    loss_flops: float  # of all ranks together, in units of N^2 D, where a rank has 1/W
    gathers: int  # all-gathers of N x D
    sums: int = 0  # all-reduces of N x D, in the backward pass
    scatters: int = 0  # reduce-scatters of N x D
    ring_passes: int = 0  # of N x D from rank to rank, while the loss is computed
    ring_returns: int = 0  # of their gradients, at the same time, one rank further
    small: int = 0  # all-gathers of a few bytes
    is_repeated: bool = False  # every rank computes all of the loss
    launches_per_tile: int = 0
    tile: int = TILE

    def loss_share(self, ranks):
        """Of N^2 D FLOPs."""
        return self.loss_flops if self.is_repeated else self.loss_flops / ranks

    def loss(self, model, ranks):
        seconds = self.loss_share(ranks) * BATCH**2 * model.dim / LOSS_FLOPS
        tiles = math.ceil(BATCH / ranks / self.tile) * math.ceil(BATCH / self.tile)
        return max(seconds, tiles * self.launches_per_tile * KERNEL_LAUNCH)

    def exchanged_bytes(self, model, ranks):
        """That a rank sends for features and their gradients."""
        part = (ranks - 1) / ranks
        passes = part * (self.gathers + 2 * self.sums + self.scatters + self.ring_passes) + self.ring_returns
        return passes * BATCH * model.dim * FP32

    def exchange(self, model, ranks):
        """That is not hidden behind the loss."""
        hops = (self.gathers + self.scatters + self.small + self.ring_passes) * (ranks - 1)
        latency = hops * RING_HOP + self.sums * 2 * math.log2(ranks) * TREE_HOP
        seconds = self.exchanged_bytes(model, ranks) / BANDWIDTH + latency
        return max(0, seconds - self.loss(model, ranks)) if self.ring_passes else seconds


# Launches: the kernels that src/loss and src/retrieval start for a tile, forward and backward.
CLIP = Method("cloob, CLIP", 16, gathers=2, sums=2, small=4, launches_per_tile=2 * 17)
CLOOB = Method("cloob, CLOOB", 72, gathers=4, sums=4, small=6, launches_per_tile=2 * 17 + 4 * 22)
METHODS = (
    CLIP,
    CLOOB,
    Method("open_clip, default", 6, gathers=2, is_repeated=True),
    Method("open_clip, `--local-loss --gather-with-grad`", 12, gathers=2, scatters=2),
    Method("Inf-CL", 20, gathers=0, ring_passes=4, ring_returns=2),
)
TIMED = (
    *(variant for method in (CLIP, CLOOB)
      for variant in (method, dataclasses.replace(method, name=f"{method.name}, large tiles", tile=LARGE_TILE))),
    *METHODS[2:],
)


def gradient_bytes(model, ranks):
    return 2 * (ranks - 1) / ranks * model.parameters * FP32


def gradients(model, ranks):
    return gradient_bytes(model, ranks) / BANDWIDTH + 2 * math.log2(ranks) * TREE_HOP


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bytes_table(model):
    header = ["method", *(f"{ranks:,} GPUs" for ranks in RANKS)]
    rows = [[method.name, *(number(method.exchanged_bytes(model, ranks) / 1e6) for ranks in RANKS)] for method in METHODS]
    rows.append(["gradients of the parameters, all methods", *(number(gradient_bytes(model, ranks) / 1e6) for ranks in RANKS)])
    return table(header, rows)


def times_table(model):
    header = ["GPUs", "method", "towers", "loss", "features", "gradients", "step", "shares of loss, features, gradients",
              "step, gradients overlapped"]
    rows = []
    for ranks in RANKS:
        for method in TIMED:
            parts = [method.loss(model, ranks), method.exchange(model, ranks), gradients(model, ranks)]
            towers = model.towers(ranks)
            step = towers + sum(parts)
            overlapped = step - min(parts[2], towers * 2 / 3)
            rows.append([f"{ranks:,}", method.name, *(number(1e3 * part) for part in (towers, *parts, step)),
                         ", ".join(f"{100 * part / step:.0f}" for part in parts) + " %", number(1e3 * overlapped)])
    return table(header, rows)


def tables():
    pieces = []
    for model in MODELS:
        pieces.append(f"**{model.name}**, D = {model.dim:,}, P = {model.parameters / 1e6:.1f} million. MB that a rank sends in a step:")
        pieces.append(bytes_table(model))
        pieces.append(f"Times of {model.name} in ms:")
        pieces.append(times_table(model))
    return "\n\n".join(pieces)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    if not arguments.update:
        print(tables())
        return
    before, rest = arguments.update.read_text().split("<!-- tables -->\n", 1)
    after = rest.split("<!-- end -->\n", 1)[1]
    arguments.update.write_text(f"{before}<!-- tables -->\n\n{tables()}\n\n<!-- end -->\n{after}")


if __name__ == "__main__":
    main()
