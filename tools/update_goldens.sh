#!/usr/bin/env bash
# Makes tests/golden anew from the reference implementations. Usage: tools/update_goldens.sh [room...]
# The Python packages go into an environment of their own (.venv); PYTHON names another one that has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$PWD/.venv/bin/python
  [ -x "$PYTHON" ] || python3 -m venv .venv
  "$PYTHON" -m pip install --quiet --requirement tools/goldens/requirements.txt
fi
for script in tools/goldens/make_*.py; do
  room=${script##*/make_}
  room=${room%.py}
  if [ $# -eq 0 ] || [[ " $* " == *" $room "* ]]; then
    echo "$script" >&2
    "$PYTHON" "$script"
  fi
done
