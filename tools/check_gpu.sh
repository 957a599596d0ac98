#!/usr/bin/env bash
# Builds the training step alone and checks and measures it on every GPU of this machine, in less than 8 minutes on 16
# processors. Needs g++, CMake, ninja, a PyTorch 2.11 or newer (that of python3, or the folder in CLOOB_TORCH_ROOT), the CUDA
# toolkit that fits it, and the folder .deps/step, which tools/collect_step_dependencies.sh makes on a Debian machine.
# Usage: tools/check_gpu.sh [--device cuda|cpu] [options of tools/check_gpu.py]
#
# --device cpu does the same with small sizes on the CPU, to know beforehand that it works.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh

device=cuda
if [ "${1:-}" = --device ]; then
  device=$2
  shift 2
fi
export CLOOB_TORCH_ROOT=${CLOOB_TORCH_ROOT:-$(python3 -c 'import importlib.util as i; print(*i.find_spec("torch").submodule_search_locations)')}
build=build/step-$device
started=$SECONDS
mkdir -p build
cmake --preset step -B "$build" -DCLOOB_CUDA="$([ "$device" = cuda ] && echo ON || echo OFF)" >"$build.log" 2>&1 &&
  cmake --build "$build" >>"$build.log" 2>&1 || { tail -n 40 "$build.log" >&2; exit 1; }
echo "built in $((SECONDS - started)) seconds" >&2
exec python3 tools/check_gpu.py "$build" --device "$device" --build-seconds $((SECONDS - started)) "$@"
