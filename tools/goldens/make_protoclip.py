"""Writes tests/golden/loss/protoclip.safetensors and tests/golden/model/projection_head.safetensors: prototype losses, back
translation, projection heads and whole steps by the code of ProtoCLIP's authors.

`training` and `open_clip` are their program (github.com/megvii-research/protoclip); tools/update_goldens.sh puts them, and no other
reference, on the Python path."""
import importlib.util
import pathlib
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import torch
from safetensors.torch import save_file

from references import statements

for name in ("faiss", "openTSNE", "wandb"):  # imported by their modules, and not used by what runs here
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = MagicMock()
from open_clip.model import CLIP  # noqa: E402
from training.clustering import Clustering  # noqa: E402
from training.loss import ClipLoss, ProtoLoss  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
EPISODE, CLUSTERS, BATCH = 40, 9, 16
Z, HIDDEN, H, X = 12, 6, 8, 5  # widths of tower outputs, of hidden layers, of projections, of the external teacher
EMPTY = dict(img=(3,), text=(0, 5), external=(8,))
MODALITIES = ("img", "text", "external")


def unit_rows(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def labels_without(empty):
    """Labels of the episode; every cluster has a member but those."""
    used = torch.tensor([cluster for cluster in range(CLUSTERS) if cluster not in empty])
    return torch.cat([used, used[torch.randint(len(used), (EPISODE - len(used),))]])[torch.randperm(EPISODE)]


def settings(**changes):
    return SimpleNamespace(**(dict(
        episode_size=EPISODE, projection_dim=H, k=CLUSTERS, PBT=True, external_teacher="there is one", target_temperature=0.01, distributed=False,
        add_projection_head=True, projection_n_layers=1, projection_hidden_dim=HIDDEN) | changes))


def make_clustering(dtype):
    """An episode as their program has it after clustering: features, labels, centroids and back translated ones."""
    torch.manual_seed(1)
    args = settings()
    clustering = Clustering(args)
    clustering.img_labels, clustering.text_labels, clustering.external_labels = (labels_without(EMPTY[m]) for m in MODALITIES)
    # The features of one modality have directions by the clusters of the other, which supervises them.
    directions = unit_rows(torch.randn(CLUSTERS, H))
    clustering.img_feature = unit_rows(directions[clustering.text_labels] + 0.15 * torch.randn(EPISODE, H))
    clustering.text_feature = unit_rows(directions[clustering.img_labels] + 0.15 * torch.randn(EPISODE, H))
    clustering.img_centroids, clustering.text_centroids = (
        0.9 * directions + 0.05 * torch.randn(CLUSTERS, H) for _ in range(2))
    clustering.external_centroids = torch.randn(CLUSTERS, X)
    translate = statements("training.main", *(f"clustering.{a}_centroids_translated_from_{b}_prototypes = clustering.PBT("
                                              for a, b in (("img", "text"), ("text", "image"), ("img", "external"),
                                                           ("text", "external"))))
    exec(translate, {"clustering": clustering, "args": args})
    for key, value in vars(clustering).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            setattr(clustering, key, value.to(dtype))
    return clustering


def loss_cases():
    """The images' loss for each kind of target, in the space of the images (back translated) and of the texts."""
    results = {}
    for dtype, precision in ((torch.float64, "fp64"), (torch.float32, "fp32")):
        clustering = make_clustering(dtype)
        teacher, labels = clustering.text_centroids, clustering.text_labels[:BATCH]
        noise = torch.randn(BATCH, H, generator=torch.Generator().manual_seed(2))
        features = unit_rows(3 * teacher[labels].float() + noise).to(dtype)
        results |= {f"{precision}.features": features, f"{precision}.teacher": teacher, "labels": labels}
        for space, prototypes in (("translated", clustering.img_centroids_translated_from_text_prototypes), ("cross", teacher)):
            results[f"{precision}.{space}"] = prototypes
            for temperature in (-1.0, 0.01, 0.3):
                leaf, scale = features.clone().requires_grad_(), torch.tensor(1 / 0.07, dtype=dtype, requires_grad=True)
                loss, accuracy = ProtoLoss()(leaf, prototypes, teacher, scale, temperature, labels)
                loss.backward()
                case = dict(temperature=torch.tensor(temperature, dtype=torch.float64), loss=loss.detach(),
                            accuracy=torch.tensor(accuracy), grad_features=leaf.grad, grad_scale=scale.grad)
                results |= {f"{precision}-{space}-{temperature:g}.{key}": value for key, value in case.items()}
    return results


def make_model(args):
    """Their model, of which the towers return what they are given: heads, normalization and both temperatures remain."""
    torch.manual_seed(args.projection_n_layers)
    vision = dict(image_size=16, patch_size=16, width=4, head_width=4, layers=1)
    text = dict(context_length=4, vocab_size=4, width=4, heads=1, layers=1)
    model = CLIP(Z, vision, text, args=args)
    model.encode_image = model.encode_text = lambda features: features
    for head in (model.image_projection_head, model.text_projection_head):  # deep copies of each other until here
        for tensor in (*head.parameters(), *head.buffers()):
            if tensor.is_floating_point():
                tensor.data += 0.3 * torch.rand(tensor.shape)
    return model.double()


def tower_outputs():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(BATCH, Z, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]


def head_parts(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items() if "projection_head" in name}


def head_gradients(model):
    return {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters() if "projection_head" in name}


def step(clustering, **changes):
    """Loss and gradients of a training step: the statements of their loop, on its clustering and its model."""
    args = settings(**changes)
    model = make_model(args).train()
    index = torch.arange(BATCH)
    image, text = tower_outputs()
    code = statements("training.train", "if not args.add_projection_head:\n    image_features, text_features, logit_scale = ")
    scope = dict(args=args, model=model, clustering=clustering, images=image, texts=text, clip_loss=ClipLoss(),
                 proto_loss=ProtoLoss(), w_clip=1.0, w_proto=0.7, w_proto_external=0.4, ZERO=torch.zeros(1, dtype=torch.float64))
    scope |= {f"{m}_labels": getattr(clustering, f"{m}_labels")[index] for m in MODALITIES}
    exec(code, scope)
    scope["total_loss"].sum().backward()
    results = head_gradients(model)
    results |= {f"after.{name}": tensor for name, tensor in head_parts(model).items() if "running" in name or "tracked" in name}
    results |= {"grad_image": image.grad, "grad_text": text.grad, "grad_logit_scale": model.logit_scale.grad,
                "grad_logit_scale_proto": model.logit_scale_proto.grad}
    results |= {key: scope[key].detach().reshape(()) for key in ("total_loss", "L_clip", "L_proto", "L_proto_external")}
    accuracies = [float(scope[f"acc_{direction}"]) for direction in ("img2text", "text2img", "img2external", "text2external")]
    return results | {"accuracies": torch.tensor(accuracies)}


def head_case(layers, train):
    model = make_model(settings(projection_n_layers=layers)).train(train)
    image, _ = tower_outputs()
    weights = head_parts(model)
    projected = model.image_projection_head(image)
    (projected * torch.linspace(-1, 1, projected.numel(), dtype=torch.float64).reshape(projected.shape)).sum().backward()
    results = {"input": image.detach(), "output": projected.detach(), "grad_input": image.grad}
    results |= {f"grad.{name}": p.grad for name, p in model.image_projection_head.named_parameters()}
    results |= {f"after.{name}": b for name, b in model.image_projection_head.named_buffers()}
    prefix = "image_projection_head."
    return results | {f"weight.{name.removeprefix(prefix)}": tensor for name, tensor in weights.items() if name.startswith(prefix)}


def main():
    clustering = make_clustering(torch.float64)
    back_translation = {key: getattr(clustering, key) for key in vars(clustering)
                        if key.endswith(("_feature", "_labels", "_centroids", "_prototypes"))}
    results = loss_cases() | {f"episode.{key}": value for key, value in back_translation.items()}
    # Every step starts from the same model and the same outputs of its towers.
    model = make_model(settings())
    results |= {f"weight.{name}": tensor for name, tensor in head_parts(model).items()}
    results |= {"logit_scale": model.logit_scale.detach(), "logit_scale_proto": model.logit_scale_proto.detach()}
    results |= dict(zip(("image", "text"), (rows.detach() for rows in tower_outputs())))
    for label, changes in (("translated_soft_external", {}),
                           ("translated_hard", dict(target_temperature=-1.0, external_teacher=None)),
                           ("cross_soft", dict(PBT=False, target_temperature=0.3, external_teacher=None)),
                           ("cross_hard", dict(PBT=False, target_temperature=-1.0, external_teacher=None))):
        results |= {f"step-{label}.{key}": value for key, value in step(clustering, **changes).items()}
    save_file({key: value.contiguous().clone() for key, value in results.items()}, GOLDEN / "loss" / "protoclip.safetensors",
              {"torch": torch.__version__})
    heads = {f"{layers}-{'train' if train else 'eval'}.{key}": value for layers in (0, 1, 2) for train in (True, False)
             for key, value in head_case(layers, train).items()}
    save_file({key: value.contiguous().clone() for key, value in heads.items()}, GOLDEN / "model" / "projection_head.safetensors",
              {"torch": torch.__version__})


if __name__ == "__main__":
    main()
