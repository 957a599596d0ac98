#!/usr/bin/env bash
# From a fresh clone to a comparison of CLOOB and CLIP: sets up, builds, renders the data set `shapes`, trains both for the
# same number of pairs and evaluates them zero-shot on classes that were not in the training set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh
tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target cloob_program
cloob=build/release/bin/cloob
out=runs/quickstart
rm -rf "$out"

"$cloob" data render-shapes "$out/data"
train_and_evaluate() {  # train_and_evaluate NAME SETTING...
  local name=$1; shift
  "$cloob" train configs/run/quickstart.yaml --run-dir "$out/$name" "$@"
  "$cloob" eval zero-shot "$out/$name" --data "$out/data/held_out" --json "$out/$name/zero_shot.json"
}
train_and_evaluate cloob --objective cloob --retrieval.warmup_steps 150
train_and_evaluate clip --objective clip
"$cloob" report "cloob=$out/cloob" "clip=$out/clip" --out "$out" --title 'CLOOB and CLIP on rendered shapes' \
  --summary 'Trained with the same model, data and number of pairs.' \
  --table-title 'Zero-shot classification of classes never seen in training'
