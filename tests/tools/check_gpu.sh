#!/usr/bin/env bash
# tools/check_gpu.sh on the CPU, against the oldest LibTorch with which it has to work. Usage: check_gpu.sh DEPENDENCIES
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
torch=$1/python-oldest-torch/torch
if [ ! -d "$torch" ]; then
  echo "skipped: there is no $torch (tools/setup.sh --oldest-torch)"
  exit 77
fi
tools/collect_step_dependencies.sh
CLOOB_TORCH_ROOT=$torch tools/check_gpu.sh --device cpu
