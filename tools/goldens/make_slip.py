"""Writes SLIP's files in tests/golden/model: outputs and gradients of its code, and its parameter names.

Weights and images are computed from names, as in make_model.py. Results are computed in float64 and stored in float32.

Usage: python tools/goldens/make_slip.py   (torch 2.15, timm 1.0.31, and SLIP's folder in PYTHONPATH)
"""
import timm.models.registry  # noqa: F401, which models.py uses without importing it
import torch
from models import CLIP, SLIP, LayerNorm, SLIP_VITB16
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from make_model import (EMBED_DIM, FOLDER, TEXT, VIT, center_and_scale, features_and_gradients, filled, in_float32,
                        make_images, make_tokens, names_and_shapes)

# Of a model that the program recognises as SLIP's: ViT-S with its 12 heads, and text heads of 64 features.
SMALL = dict(img_size=32, patch_size=16, embed_dim=384, depth=2, num_heads=12)
SSL = dict(ssl_mlp_dim=6, ssl_emb_dim=4)
OPEN_CLIP_NAMES = {"visual.blocks.": "visual.transformer.resblocks.", "visual.patch_embed.proj.": "visual.conv1.",
                   "visual.cls_token": "visual.class_embedding", "visual.pos_embed": "visual.positional_embedding",
                   "visual.norm.": "visual.ln_post.", "image_projection": "visual.proj", ".norm1.": ".ln_1.",
                   ".norm2.": ".ln_2.", ".attn.qkv.": ".attn.in_proj_", ".attn.proj.": ".attn.out_proj.",
                   ".mlp.fc1.": ".mlp.c_fc.", ".mlp.fc2.": ".mlp.c_proj."}


def open_clip_name(name):
    for slips, open_clips in OPEN_CLIP_NAMES.items():
        name = name.replace(slips, open_clips)
    return name


def open_clip_shape(tensor):
    """Without the leading ones of timm's embeddings of the class token (1, 1, D) and of positions (1, L, D)."""
    shape = tuple(tensor.shape)
    return shape if len(shape) != 3 else shape[2:] if shape[1] == 1 else shape[1:]


def text_sizes(width, heads):
    return dict(context_length=TEXT["context_length"], vocab_size=TEXT["vocab_size"], transformer_width=width,
                transformer_heads=heads, transformer_layers=TEXT["layers"])


def load_filled(model, name_of, shape_of):
    """The model in float64, with weights from their names."""
    LayerNorm.forward = torch.nn.LayerNorm.forward  # SLIP's computes in float32
    model.load_state_dict({
        name: tensor if name.endswith("tracked") else
        filled(name_of(name), shape_of(tensor), *center_and_scale(name_of(name), shape_of(tensor))).reshape(tensor.shape)
        for name, tensor in model.state_dict().items()})
    return model.double()


def tower_results():
    """Under open_clip's names and shapes."""
    vision = VisionTransformer(img_size=VIT["image_size"], patch_size=VIT["patch_size"], embed_dim=VIT["width"],
                               depth=VIT["layers"], num_heads=VIT["width"] // VIT["head_width"], num_classes=0)
    model = CLIP(EMBED_DIM, VIT["width"], vision, **text_sizes(TEXT["width"], TEXT["heads"]))
    load_filled(model, open_clip_name, open_clip_shape)
    results = features_and_gradients(model, VIT["image_size"])
    return in_float32({open_clip_name(name): tensor.reshape(open_clip_shape(tensor)) for name, tensor in results.items()})


def make_small():
    return SLIP(embed_dim=EMBED_DIM, vision_width=SMALL["embed_dim"], vision_model=VisionTransformer(**SMALL, num_classes=0),
                **text_sizes(width=64, heads=1), **SSL)


@torch.no_grad()
def small_features():
    model = load_filled(make_small(), lambda name: name, lambda tensor: tuple(tensor.shape))
    tokens = make_tokens()
    image, text = model.encode_image(make_images(SMALL["img_size"])), model.encode_text(tokens)
    return in_float32({"tokens": tokens, "image_features": image / image.norm(dim=1, keepdim=True),
                       "text_features": text / text.norm(dim=1, keepdim=True)})


def main():
    torch.manual_seed(1)
    save_file(tower_results(), FOLDER / "slip.safetensors")
    save_file(small_features(), FOLDER / "slip_small.safetensors")
    (FOLDER / "slip_small.names.txt").write_text(names_and_shapes(make_small))
    (FOLDER / "SLIP_VITB16.names.txt").write_text(names_and_shapes(lambda: SLIP_VITB16(ssl_mlp_dim=4096, ssl_emb_dim=256)))


if __name__ == "__main__":
    main()
