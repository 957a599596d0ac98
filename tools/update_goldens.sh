#!/usr/bin/env bash
# Regenerates tests/golden by running the reference implementations. Usage: tools/update_goldens.sh [library...]
# The Python packages are installed into .venv, unless PYTHON names an interpreter that has them.
# The CLOOB authors' repositories are cloned into .deps/references, unless REFERENCES names a folder that has them as `cloob`
# and `hopfield-layers`. They are only run: none of their code is copied into this repository.
set -euo pipefail
REFERENCES=${REFERENCES:+$(realpath "$REFERENCES")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clone() {  # clone REPOSITORY COMMIT
  [ -d "$REFERENCES/$1" ] || git clone --quiet "https://github.com/ml-jku/$1" "$REFERENCES/$1"
  git -C "$REFERENCES/$1" checkout --quiet "$2"
}
if [ -z "$REFERENCES" ]; then
  REFERENCES=${CLOOB_DEPS_DIR:-$PWD/.deps}/references
  clone cloob 357adda017e4104266b9ee23c821372b91e70f66
  clone hopfield-layers f56f929c95b77a070ae675ea4f56b6d54d36e730
fi
export PYTHONPATH=$REFERENCES/cloob/src:$REFERENCES/hopfield-layers

if [ -z "${PYTHON:-}" ]; then
  PYTHON=$PWD/.venv/bin/python
  [ -x "$PYTHON" ] || python3 -m venv .venv
  "$PYTHON" -m pip install --quiet --requirement tools/goldens/requirements.txt
fi
for script in tools/goldens/make_*.py; do
  library=${script##*/make_}
  library=${library%.py}
  if [ $# -eq 0 ] || [[ " $* " == *" $library "* ]]; then
    echo "$script" >&2
    "$PYTHON" "$script"
  fi
done
chmod -R u=rwX,go=rX tests/golden  # safetensors makes its files private
