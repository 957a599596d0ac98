"""Writes tests/golden/model: outputs and gradients of open_clip's towers, their parameter names and their cost.

Weights and images are not stored: both sides compute them from their names (`filled` here, `filled` in the test), so
that the files contain only results. Results are computed in float64 and stored in float32.

Usage: python tools/goldens/make_model.py   (torch 2.15, open_clip 3.3.0, safetensors 0.8)
"""
import json
from pathlib import Path
from types import SimpleNamespace

import open_clip
import torch
import torch.nn.functional as F
from formula import BATCH, TEXT, center_and_scale, filled, in_float32, make_images, make_tokens, names_and_shapes
from open_clip.model import CLIP, resize_pos_embed, resize_text_pos_embed
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "model"
RESNET = dict(image_size=64, layers=[2, 1, 1, 1], width=2, head_width=16)
VIT = dict(image_size=24, layers=2, width=16, patch_size=8, head_width=8)
EMBED_DIM = 12


def make_clip(vision, quick_gelu):
    model = CLIP(EMBED_DIM, vision, TEXT, quick_gelu=quick_gelu)
    weights = {name: tensor if name.endswith("tracked") else
               filled(name, tuple(tensor.shape), *center_and_scale(name, tuple(tensor.shape)))
               for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)
    return model.double()


def features_and_gradients(model, image_size):
    """Unit-length features, CLIP's loss, and its gradients by the model's names."""
    tokens = make_tokens()
    image = F.normalize(model.encode_image(make_images(image_size)), dim=-1)
    text = F.normalize(model.encode_text(tokens), dim=-1)
    logits = model.logit_scale.exp() * image @ text.T
    labels = torch.arange(BATCH)
    loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    loss.backward()
    results = {"tokens": tokens, "image_features": image, "text_features": text, "loss": loss}
    return results | {"grad." + name: parameter.grad for name, parameter in model.named_parameters()}


def tower_results(vision, quick_gelu, train):
    model = make_clip(vision, quick_gelu).train(train)
    results = features_and_gradients(model, vision["image_size"])
    if train:
        results |= {"buffer." + name: buffer for name, buffer in model.named_buffers() if "bn" in name or "downsample" in name}
    return in_float32(results)


def resampled_positions():
    image, text = torch.randn(10, 6), torch.randn(10, 6)
    results = {"image": image, "text": text}
    for grid in (2, 5):
        state = {"visual.positional_embedding": image}
        resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=grid)))
        results[f"image_grid_{grid}"] = state["visual.positional_embedding"]
    for length in (7, 16):
        state = {"positional_embedding": text}
        resize_text_pos_embed(state, SimpleNamespace(positional_embedding=torch.empty(length, 6)))
        results[f"text_length_{length}"] = state["positional_embedding"]
    return {name: tensor.contiguous().clone() for name, tensor in results.items()}


def count_flops(function):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function()
    return counter.get_total_flops()


def one_query_pool(pool, x):
    """open_clip's pool with only the query whose output it returns."""
    tokens = torch.cat([x.flatten(2).mean(2, keepdim=True), x.flatten(2)], 2).permute(2, 0, 1)
    return F.multi_head_attention_forward(
        tokens[:1], tokens, tokens, tokens.shape[-1], pool.num_heads, None,
        torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]), None, None, False, 0.0, pool.c_proj.weight,
        pool.c_proj.bias, need_weights=False, use_separate_proj_weight=True, q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight, v_proj_weight=pool.v_proj.weight)


def costs(config):
    """Parameters and forward FLOPs of one sample."""
    with torch.device("meta"):
        model = CLIP(**config).eval()
        size = config["vision_cfg"]["image_size"]
        images = torch.empty(1, 3, size, size)
        tokens = torch.empty(1, model.context_length, dtype=torch.int64)
        image = count_flops(lambda: model.visual(images))
        if hasattr(model.visual, "attnpool"):
            pool = model.visual.attnpool
            features = torch.empty(1, pool.k_proj.in_features, size // 32, size // 32)
            image += count_flops(lambda: one_query_pool(pool, features)) - count_flops(lambda: pool(features))
        text = count_flops(lambda: model.encode_text(tokens))
        image_parameters = sum(parameter.numel() for parameter in model.visual.parameters())
        text_parameters = sum(parameter.numel() for parameter in model.parameters()) - image_parameters - 1
        return {"image_parameters": image_parameters, "text_parameters": text_parameters, "image_flops": image,
                "text_flops": text}


def main():
    torch.manual_seed(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(tower_results(RESNET, quick_gelu=True, train=True), FOLDER / "resnet_train.safetensors")
    save_file(tower_results(RESNET, quick_gelu=True, train=False), FOLDER / "resnet_eval.safetensors")
    save_file(tower_results(VIT, quick_gelu=False, train=True), FOLDER / "vit_gelu.safetensors")
    save_file(tower_results(VIT, quick_gelu=True, train=True), FOLDER / "vit_quick_gelu.safetensors")
    save_file(resampled_positions(), FOLDER / "positions.safetensors")
    for name in ("RN50", "ViT-B-32"):
        (FOLDER / f"{name}.names.txt").write_text(names_and_shapes(lambda: CLIP(**open_clip.get_model_config(name))))
    configs = {name: open_clip.get_model_config(name) for name in
               ("RN50", "RN101", "RN50x4", "RN50x16", "ViT-S-32", "ViT-S-16", "ViT-B-32", "ViT-B-16", "ViT-L-14")}
    (FOLDER / "costs.json").write_text(
        json.dumps({name: costs(config) for name, config in configs.items()}, indent=1) + "\n")
    for file in FOLDER.iterdir():
        file.chmod(0o644)  # safetensors makes its files private


if __name__ == "__main__":
    main()
