#!/usr/bin/env bash
# Measures the effect of each optimization of the training step: the program without it against the program as it is,
# alternating, on an idle machine. Each patch in tools/savings removes one of them; captions of 77 tokens stand for padding.
#
#   tools/measure_savings.sh CAPTIONS [REPEATS [TIMED_STEPS]]    CAPTIONS: a text file with one caption per line
#
# Builds the committed state in build/savings (minutes for the first build, seconds for each patch) and prints, for each row of
# the table in docs/performance.md, the seconds per step without and with the saving (median, minimum, maximum) and the ratio
# of the medians.
set -euo pipefail
usage() { echo "usage: tools/measure_savings.sh CAPTIONS [REPEATS [TIMED_STEPS]]: $*" >&2; exit 2; }
[ $# -ge 1 ] && [ $# -le 3 ] || usage "$# arguments"
[ -f "$1" ] && [ -s "$1" ] || usage "'$1' is not a text file with one caption per line"
captions=$(realpath "$1") repeats=${2:-3} steps=${3:-3}
[[ $repeats =~ ^[1-9][0-9]*$ && $steps =~ ^[1-9][0-9]*$ ]] || usage "'$repeats' repeats, '$steps' steps"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD place=$PWD/build/savings
source=$place/source
rm -rf "$source" && mkdir -p "$place"
git clone -q . "$source"
ln -s "$root/.deps" "$source/.deps"
cd "$source"
source tools/environment.sh
cmake --preset release -DCLOOB_TESTS=OFF >/dev/null

build() {  # build NAME PATCH...: a program with the patches applied
  local name=$1 patch; shift
  git checkout -q .
  for patch in "$@"; do git apply "$root/tools/savings/$patch.patch"; done
  cmake --build --preset release --target cloob_program >/dev/null
  mkdir -p "$place/$name/bin"
  cp build/release/bin/cloob "$place/$name/bin/"
  cp -r build/release/share "$place/$name/"
}
all=(pooled_token attention_gradient patch_product kept_memory)
build as_it_is
for patch in "${all[@]}" few_shapes; do build "$patch" "$patch"; done
build none "${all[@]}"

step() {  # step PROGRAM TOKENS ARGUMENT...: seconds per step
  local program=$1 tokens=$2; shift 2
  [ "$tokens" != lengths ] || set -- "$@" --captions "$captions"
  "$place/$program/bin/cloob" bench step --caption-tokens "$tokens" --steps "$steps" --json - "$@" |
    grep -o '"step_s": [0-9.]*' | cut -d' ' -f2
}
spread() {  # spread FILE: median, minimum and maximum
  sort -g "$1" |
    awk '{v[NR] = $1} END {printf "%.2f (%.2f to %.2f)", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR]}'
}
compare() {  # compare SAVING PROGRAM TOKENS_WITHOUT TOKENS_WITH ARGUMENT...
  local saving=$1 program=$2 without=$3 with=$4 i; shift 4
  rm -f "$place/without" "$place/with"
  for ((i = 0; i < repeats; ++i)); do
    step "$program" "$without" "$@" >>"$place/without"
    step as_it_is "$with" "$@" >>"$place/with"
  done
  local a b
  a=$(spread "$place/without") b=$(spread "$place/with")
  echo "$saving | $* | $a | $b | $(awk "BEGIN {printf \"%.2f\", ${a%% *} / ${b%% *}}")"
}
vit=(--model ViT-B-32 --batch 64) resnet=(--model RN50 --batch 32) small=(--model tiny-resnet --batch 128)
echo "saving | step | without, s | with, s | ratio"
for precision in fp32 bf16; do
  compare texts_without_padding as_it_is 77 14 "${vit[@]}" --precision "$precision"
  compare texts_without_padding as_it_is 77 14 "${resnet[@]}" --precision "$precision"
  compare pooled_token pooled_token 14 14 "${vit[@]}" --precision "$precision"
  compare kept_memory kept_memory 14 14 "${vit[@]}" --precision "$precision"
  compare kept_memory kept_memory 14 14 "${resnet[@]}" --precision "$precision"
  compare patch_product patch_product 14 14 "${vit[@]}" --precision "$precision"
  compare all none 77 14 "${vit[@]}" --precision "$precision"
  compare all none 77 14 "${resnet[@]}" --precision "$precision"
done
compare attention_gradient attention_gradient 14 14 "${vit[@]}" --precision bf16
compare few_shapes few_shapes lengths lengths "${small[@]}" --precision bf16
