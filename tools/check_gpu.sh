#!/usr/bin/env bash
# Builds the training step alone and checks and measures it on every GPU of this machine, in less than 8 minutes on 16
# processors, with what tools/check_gpu.py describes. Needs g++, CMake 3.25, ninja, a PyTorch 2.11 or newer (that of python3, or
# the folder in CLOOB_TORCH_ROOT), the headers of the CUDA toolkit that fits it, and the folder .deps/step, which
# tools/collect_step_dependencies.sh makes on a Debian machine.
# Usage: tools/check_gpu.sh [--device cuda|cpu] [options of tools/check_gpu.py]
#
# --device cpu does the same with small sizes on the CPU, to know beforehand that it works.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
source tools/environment.sh
cd "$called_from"      # for relative paths
exec python3 "$root/tools/check_gpu.py" "$@"
