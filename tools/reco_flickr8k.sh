#!/usr/bin/env bash
# RECO on photographs, three seeds: a small CLIP of one half of Flickr8k's training photographs, a memory of both halves, and fusions
# that are trained with the other half, whose pairs retrieve from the memory but for themselves. Writes
# runs/reco_flickr8k/results.csv and prints a table of recalls on the 1,000 development photographs. Usage: tools/reco_flickr8k.sh
# [SEED...]
#
# Arms: the frozen CLIP; RECO with each of the four combinations of searched and fused modality; an MLP of the same size that is trained
# with the same pairs and has no memory; and the mean, which is not learned.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cloob=${CLOOB:-build/release/bin/cloob}
data=${FLICKR8K:-../shared/data/flickr8k}
out=runs/reco_flickr8k
seeds=("$@")
[ $# -gt 0 ] || seeds=(0 1 2)
mkdir -p $out

# train RUN ARGUMENTS...: continues or leaves alone what is there already.
train() {
  [ -f "$1/evaluations.jsonl" ] || "$cloob" -q train configs/run/flickr8k_small.yaml --objective clip --data.val "$data/dev.tsv" \
    --eval.every_epochs 0 --checkpoint.keep_last 1 "${@:2}" --run-dir "$1"
}

# evaluate ARM SEED CHECKPOINT: a line of recalls at 10.
evaluate() {
  "$cloob" -q eval retrieval "$3" --data "$data/dev.tsv" --captions first --json - |
    python3 -c 'import json, sys
found = json.load(sys.stdin)
print(*sys.argv[1:], found["image_to_text_R@10"], found["text_to_image_R@10"], sep=",")' "$1" "$2" | tee -a $out/results.csv
}

echo "arm,seed,image_to_text_R@10,text_to_image_R@10" >$out/results.csv
for seed in "${seeds[@]}"; do
  clip=$out/clip_$seed memory=$out/memory_$seed
  train $clip --data.train "$data/train-{00000..00002}.tar" --train.epochs 24 --schedule.warmup_steps 55 --train.seed "$seed"
  [ -d $memory ] || "$cloob" -q memory build $clip --data "$data/train-{00000..00005}.tar" --out $memory \
    --data.webdataset.json_caption_field captions
  evaluate frozen "$seed" $clip
  reco=(--task.kind reco --reco.memory $memory --train.initial_weights $clip --data.train "$data/train-{00003..00005}.tar"
    --train.epochs 3 --optimizer.weight_decay 1e-5 --optimizer.beta2 0.999 --train.seed "$seed")
  for arm in same_other other_other same_same other_same mlp mean; do
    options=(--reco.search "${arm%_*}" --reco.fuse "${arm#*_}")
    [[ $arm == *_* ]] || options=(--reco.fusion "$arm")
    train $out/${arm}_"$seed" "${reco[@]}" "${options[@]}"
    evaluate $arm "$seed" $out/${arm}_"$seed"
  done
done

python3 - $out/results.csv <<'END'
import collections, csv, statistics, sys
values = collections.defaultdict(list)
metrics = ("image_to_text_R@10", "text_to_image_R@10")
for row in csv.DictReader(open(sys.argv[1])):
    for metric in metrics:
        values[row["arm"], metric].append(100 * float(row[metric]))
print("| | image to text | text to image |\n|---|---|---|")
for arm in dict.fromkeys(arm for arm, _ in values):
    shown = [values[arm, metric] for metric in metrics]
    print(f"| {arm} | " + " | ".join(f"{statistics.mean(v):.1f} +- {statistics.stdev(v) if len(v) > 1 else 0:.1f}" for v in shown) + " |")
END
