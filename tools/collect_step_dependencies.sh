#!/usr/bin/env bash
# Collects what a build of the training step alone needs besides LibTorch and a compiler (preset step): headers and some static
# libraries of Debian packages that tools/setup.sh has installed, and open_clip with what it needs besides PyTorch's companions,
# to be measured beside it. The folder works on any x86-64 Linux with glibc 2.32 or newer; it is not part of the repository, so
# it has to be copied to where the step is built: 13 MiB. Does nothing if the folder is already what this script makes.
# Usage: tools/collect_step_dependencies.sh [FOLDER]   (default: .deps/step)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-.deps/step}
machine=$(gcc -dumpmachine)
this=$(sha256sum <tools/collect_step_dependencies.sh)
if [ -e "$folder/made_by" ] && [ "$(cat "$folder/made_by")" = "$this" ]; then
  exit 0
fi

rm -rf "$folder.new"
mkdir -p "$folder.new/include" "$folder.new/lib"
for headers in fmt spdlog nlohmann CLI yaml-cpp gtest gmock gloo xxhash.h zlib.h zconf.h; do
  found=/usr/include/$headers
  [ -e "$found" ] || found=/usr/include/$machine/$headers
  if [ ! -e "$found" ]; then
    echo "/usr/include/$headers is missing: run tools/setup.sh first" >&2
    exit 1
  fi
  cp -a "$found" "$folder.new/include/"
done
cp -a "/usr/lib/$machine"/lib{yaml-cpp,gtest,gtest_main,gmock,z}.a "$folder.new/lib/"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --no-deps \
  --target "$folder.new/python" open_clip_torch==3.3.0 ftfy==6.3.1 wcwidth==0.9.4
find "$folder.new" -name __pycache__ -prune -exec rm -r {} +
echo "$this" >"$folder.new/made_by"     # last: a folder without it is not complete
rm -rf "$folder"
mv "$folder.new" "$folder"
