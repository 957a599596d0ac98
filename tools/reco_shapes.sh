#!/usr/bin/env bash
# RECO on rare entities: a CLIP that never met their names, a memory that has them, and what a fusion learns to do with it. Three
# seeds, each with its own CLIP; writes runs/reco/results.csv and prints a table. Usage: tools/reco_shapes.sh [SEED...]
#
# Arms: the frozen CLIP; RECO with each of the four combinations of searched and fused modality; the mean, which is not learned; an MLP
# of the same size without a memory; and RECO with a memory of its own training pairs, before and after the memory is enlarged by the
# pairs that the others have. Accuracies are of names that occur in the memory only (unseen), and of those that the fusions were
# trained with (seen).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cloob=${CLOOB:-build/release/bin/cloob}
out=runs/reco
seeds=("$@")
[ $# -gt 0 ] || seeds=(0 1 2)

[ -d $out/data ] || "$cloob" -q data render-shapes $out/data --rare-names 256
pairs=(--data.webdataset.image_members png --data.webdataset.json_caption_field captions)

# train RUN ARGUMENTS...: continues or leaves alone what is there already.
train() { "$cloob" -q train "${@:2}" --run-dir "$1"; }

# evaluate ARM SEED CHECKPOINT OPTIONS...: a line for the unseen names, one for the seen.
evaluate() {
  local names acc1
  for names in unseen seen; do
    acc1=$("$cloob" -q eval zero-shot "$3" --data $out/data/rare/test/$names --json - "${@:4}" |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["acc1"])')
    echo "$1,$2,$names,$acc1" | tee -a $out/results.csv
  done
}

echo "arm,seed,names,acc1" >$out/results.csv
for seed in "${seeds[@]}"; do
  clip=$out/clip_$seed memory=$out/memory_$seed
  [ -f $clip/evaluations.jsonl ] || train $clip configs/reco/shapes_clip.yaml --train.seed "$seed"
  [ -d $memory ] || "$cloob" -q memory build $clip --data "$out/data/rare/memory/*.tar" --out $memory "${pairs[@]}"
  evaluate frozen "$seed" $clip
  reco=(configs/reco/shapes.yaml --reco.memory $memory --train.initial_weights $clip --train.seed "$seed")
  for arm in same_other other_other same_same other_same mlp mean; do
    run=$out/${arm}_$seed options=(--reco.search "${arm%_*}" --reco.fuse "${arm#*_}")
    [[ $arm == *_* ]] || options=(--reco.fusion "$arm")
    [ $arm != mean ] || options+=(--train.samples 256 --schedule.warmup_steps 0)  # nothing but the temperature is trained
    [ -f $run/evaluations.jsonl ] || train $run "${reco[@]}" "${options[@]}"
    evaluate $arm "$seed" $run
  done
  evaluate same_other_images_only "$seed" $out/same_other_"$seed" --refine images
  evaluate same_other_texts_only "$seed" $out/same_other_"$seed" --refine texts
  evaluate same_other_mean_prompts "$seed" $out/same_other_"$seed" --refine-prompts mean

  small=$out/small_memory_$seed enlarged=$out/enlarged_memory_$seed run=$out/small_$seed
  [ -d $small ] || "$cloob" -q memory build $clip --data "$out/data/rare/train/*.tar" --out $small "${pairs[@]}"
  [ -f $run/evaluations.jsonl ] || train $run "${reco[@]}" --reco.memory $small
  evaluate small_memory "$seed" $run
  if [ ! -d $enlarged ]; then
    rm -rf $enlarged.part && cp -r $small $enlarged.part
    "$cloob" -q memory add $enlarged.part --data "$out/data/rare/memory/*.tar" "${pairs[@]}"
    mv $enlarged.part $enlarged
  fi
  evaluate enlarged_memory "$seed" $run --memory $enlarged
done

python3 - $out/results.csv <<'END'
import collections, csv, statistics, sys
values = collections.defaultdict(list)
for row in csv.DictReader(open(sys.argv[1])):
    values[row["arm"], row["names"]].append(100 * float(row["acc1"]))
print("| | names in the memory only | names in training |\n|---|---|---|")
for arm in dict.fromkeys(arm for arm, _ in values):
    spread = [statistics.stdev(v) if len(v) > 1 else 0 for v in (values[arm, "unseen"], values[arm, "seen"])]
    means = [statistics.mean(values[arm, names]) for names in ("unseen", "seen")]
    print(f"| {arm} | " + " | ".join(f"{m:.1f} +- {s:.1f}" for m, s in zip(means, spread)) + " |")
END
