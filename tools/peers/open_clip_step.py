#!/usr/bin/env python3
"""Times a training step of open_clip on noise: forward pass, InfoNCE, backward pass, AdamW. Texts are padded to the context length, as
its tokenizer does. Prints one line of JSON with the keys of `cloob bench step`."""

import argparse
import json
import logging
import resource
import statistics
import time

import torch

logging.disable(logging.WARNING)
import open_clip  # noqa: E402

CAPTION_TOKENS = 14


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("batch", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    on_gpu = arguments.device == "cuda"

    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    model = open_clip.create_model(arguments.model).train().to(arguments.device)
    side = model.visual.image_size
    side = side[0] if isinstance(side, (tuple, list)) else side
    images = torch.randn(arguments.batch, 3, side, side, device=arguments.device)
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    start, end = 49406, 49407
    tokens = torch.zeros(arguments.batch, model.context_length, dtype=torch.long)
    tokens[:, : CAPTION_TOKENS - 1] = torch.randint(1, start, (arguments.batch, CAPTION_TOKENS - 1))
    tokens[:, 0], tokens[:, CAPTION_TOKENS - 1] = start, end
    tokens = tokens.to(arguments.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, fused=True)
    loss_of = open_clip.ClipLoss()
    forward = torch.compile(model) if arguments.compile else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
            image_features, text_features, scale = forward(images, tokens)[:3]
            loss = loss_of(image_features, text_features, scale)
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for a GPU

    def timed():
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin

    first = timed()
    timed()
    seconds = statistics.median(timed() for _ in range(arguments.steps))
    result = {
        "step_s": seconds,
        "samples_s": arguments.batch / seconds,
        "first_s": first,
        "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "open_clip": open_clip.__version__,
        "torch": torch.__version__,
    }
    if on_gpu:
        result["peak_device_gib"] = torch.cuda.max_memory_allocated() / 2**30
    print(json.dumps(result))


if __name__ == "__main__":
    main()
