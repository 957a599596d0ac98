#!/usr/bin/env bash
# Checks that a refactoring changes no numbers: trains with the program of another commit and with the one built here, and
# compares metrics and every tensor of weights and training state, bit for bit.
#
#   tools/compare_runs.sh COMMIT [RUN...]     RUN: a name printed by the script; default: all runs
#
# Builds COMMIT in build/compare (once; minutes) next to build/release, then trains on rendered shapes: the four objectives
# with a ResNet and a ViT in fp32, and one run each of bf16, fp16, gradient caching, EMA, spike guard with a rollback and frozen
# tower with cached features. For each of them, the program built here also resumes the other program's run halfway. Prints
# two lines per run and exits with status 1 if anything differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 1 ] || { echo "usage: tools/compare_runs.sh COMMIT [RUN...]" >&2; exit 2; }
commit=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "compare_runs: '$1' is not a commit" >&2; exit 2; }
shift
root=$PWD place=$PWD/build/compare
old=$place/${commit:0:12} new=$root/build/release/bin/cloob
source tools/environment.sh
export CLOOB_DEPS_DIR=${CLOOB_DEPS_DIR:-$root/.deps} OMP_WAIT_POLICY=passive

if [ ! -x "$old/build/release/bin/cloob" ]; then
  rm -rf "$old" && mkdir -p "$place"
  git clone -q "$root" "$old"
  (cd "$old" && git checkout -q "$commit" && export CCACHE_BASEDIR=$PWD && cmake --preset release -DCLOOB_TESTS=OFF >/dev/null &&
    cmake --build --preset release --target cloob_program >/dev/null)
fi
[ -n "${COMPARE_AS_BUILT:-}" ] || cmake --build --preset release --target cloob_program >/dev/null
old=$old/build/release/bin/cloob

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# More samples than a run sees, so that no epoch ends twice; a few steps are enough to expose a changed digit.
"$old" -q data render-shapes data --image-size 40 --train 480 --validation 32 --held-out 32 --samples-per-shard 100
common() {  # common MODEL: settings shared by all runs
  cat <<YAML
include: $root/configs/test/test-$1.yaml
data:
  train: data/train/*.tar
  val: data/validation/*.tar
  webdataset: {json_caption_field: captions}
  caption_choice: random
  threads: 2
image: {crop_scale: [0.5, 1.0], horizontal_flip_probability: 0.5}
optimizer: {lr: 1e-3}
schedule: {warmup_steps: 4}
train: {global_batch_size: 24, steps: 12, threads: 2, seed: 7, precision: fp32}
checkpoint: {every_steps: 6, every_epochs: 0, keep_last: 0}
eval: {every_epochs: 0, every_steps: 6, loss_batch_size: 16, batch_size: 16, zero_shot: [data/held_out]}
report: {every_steps: 1, tensorboard: false, contact_sheet: false, progress: none}
YAML
}
common resnet >resnet.yaml
common vit >vit.yaml

# compare OLD_RUN NEW_RUN: the metrics except times and memory, and all tensors of the last checkpoints.
compare() {
  python3 - "$1" "$2" <<'PYTHON'
import json, pathlib, struct, sys

def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size :]
    return {n: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for n, t in header.items()}

UNTIMED = ("samples_per_second", "_time", "time_s", "memory", "ready_batches", "bound_by", "_seconds")

def metrics(run):
    lines = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        lines.append({k: v for k, v in json.loads(line).items() if not k.endswith(UNTIMED) and "memory" not in k})
    return lines

def names(lines):
    return {name for line in lines for name in line}

old, new = map(pathlib.Path, sys.argv[1:])
problems = []
old_metrics, new_metrics = metrics(old), metrics(new)
added = names(new_metrics) - names(old_metrics)  # new metrics of the new program are no difference
new_metrics = [{k: v for k, v in line.items() if k not in added} for line in new_metrics]
if old_metrics != new_metrics:
    pairs = zip(old_metrics, new_metrics)
    first = next((f"step {a.get('step')}: {sorted(set(a.items()) ^ set(b.items()))[:4]}" for a, b in pairs if a != b), "number of lines")
    problems.append(f"metrics differ, first {first}")
steps = [sorted(p.name for p in (run / "checkpoints").glob("step_*")) for run in (old, new)]
if steps[0] != steps[1]:
    problems.append(f"checkpoints {steps}")
count = 0
for file in ("weights.safetensors", "training.safetensors"):
    a, b = (tensors(run / "checkpoints" / steps[0][-1] / file) for run in (old, new))
    count += len(a)
    names = sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n))
    if names:
        problems.append(f"{len(names)} of {len(a)} tensors in {file} differ: {', '.join(names[:4])}")
if problems:
    sys.exit("; ".join(problems))
print(f"equal: {len(old_metrics)} lines of metrics, {count} tensors" + (f", new metrics {sorted(added)}" if added else ""))
PYTHON
}

failed=0
run() {  # run NAME MODEL SETTING...
  local name=$1 model=$2 result; shift 2
  [ ${#chosen[@]} -eq 0 ] || [[ " ${chosen[*]} " == *" $name "* ]] || return 0
  "$old" -q train "$model.yaml" --run-dir "$name/old" "$@"
  "$new" -q train "$model.yaml" --run-dir "$name/new" "$@"
  # The old run as it was after its first half, resumed by the new program.
  mkdir -p "$name/resumed/checkpoints"
  cp -r "$name/old/checkpoints/$(ls "$name/old/checkpoints" | grep step_ | head -1)" "$name/resumed/checkpoints/"
  cp "$name/old/config.yaml" "$name/old/metrics.jsonl" "$name/resumed/"
  "$new" -q train "$model.yaml" --run-dir "$name/resumed" --resume auto "$@" 2>"$name/resume.log" || { cat "$name/resume.log"; failed=1; }
  for other in new resumed; do
    if ! result=$(compare "$name/old" "$name/$other" 2>&1); then failed=1; fi
    printf '%-22s %-8s %s\n' "$name" "$other" "$result"
  done
}
chosen=("$@")
cloob=(--loss.kind info_loob --loss.inv_tau 30 --loss.learn_inv_tau false --retrieval.kind hopfield --retrieval.learn_beta true)
for model in resnet vit; do
  run "clip_$model" $model
  run "cloob_$model" $model "${cloob[@]}" --retrieval.warmup_steps 8
  run "info_loob_$model" $model --loss.kind info_loob
  run "info_nce_hopfield_$model" $model --retrieval.kind hopfield --retrieval.update_steps 2
done
run reference_cloob resnet "${cloob[@]}" --reference cloob --optimizer.grad_clip_norm 0.5
run layer_decay vit --optimizer.image.layer_decay 0.7 --optimizer.text.layer_decay 0.8 --optimizer.text.lr 5e-4
run patch_dropout vit --model.image.patch_dropout 0.5 --train.gradient_checkpointing true
run bf16 vit --train.precision bf16
run pure_bf16 vit --train.precision pure_bf16 --train.gradient_cache_parts 3
run fp16 vit --train.precision fp16
run gradient_caching resnet "${cloob[@]}" --train.gradient_cache_parts 5
run weight_average resnet --optimizer.ema_decay 0.9
# After 20 steps every norm above the average counts as a spike; two in a row roll back to the previous checkpoint.
run spike_guard vit --train.steps 36 --optimizer.lr 0.03 --optimizer.spike_guard.enabled true \
  --optimizer.spike_guard.max_norm_ratio 1.0 --optimizer.spike_guard.rollback_after_steps 2
run frozen_tower resnet --optimizer.image.frozen true --train.cache_frozen_features true --image.train_crop evaluation \
  --image.horizontal_flip_probability 0
exit $failed
