#!/usr/bin/env bash
# Regenerates tests/golden by running the reference implementations. Usage: tools/update_goldens.sh [library...]
# The Python packages are installed into .venv, unless PYTHON names an interpreter that has them.
# The repositories of the authors of CLOOB, SLIP, ProtoCLIP and OVEN are cloned into .deps/references, unless REFERENCES names a folder
# that has them as `cloob`, `hopfield-layers`, `SLIP`, `protoclip` and `oven_eval`. They are only run: none of their code is copied into this
# repository.
set -euo pipefail
REFERENCES=${REFERENCES:+$(realpath "$REFERENCES")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clone() {  # clone OWNER REPOSITORY COMMIT
  [ -d "$REFERENCES/$2" ] || git clone --quiet "https://github.com/$1/$2" "$REFERENCES/$2"
  git -C "$REFERENCES/$2" checkout --quiet "$3"
}
if [ -z "$REFERENCES" ]; then
  REFERENCES=${CLOOB_DEPS_DIR:-$PWD/.deps}/references
  clone ml-jku cloob 357adda017e4104266b9ee23c821372b91e70f66
  clone ml-jku hopfield-layers f56f929c95b77a070ae675ea4f56b6d54d36e730
  clone facebookresearch SLIP c6faf5d03cbfa7d529d210779f859cd3dddec09a
  clone megvii-research protoclip fde193381369380bd6ffe278d644d85717e01a80
  clone edchengg oven_eval e92f2aac61e2cc9e2040e151cab0a1379aa4f92b
fi

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
    path=$REFERENCES/cloob/src:$REFERENCES/hopfield-layers
    [ "$library" != slip ] || path=$REFERENCES/SLIP  # alone: its modules have names like utils and datasets
    [ "$library" != fine_grained ] || path=$REFERENCES/oven_eval
    [[ $library != protoclip* ]] || path=$REFERENCES/protoclip/src  # alone: its modules are named open_clip and training
    PYTHONPATH=$path "$PYTHON" "$script"
  fi
done
chmod -R u=rwX,go=rX tests/golden  # safetensors makes its files private
