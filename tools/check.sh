#!/usr/bin/env bash
# Checks work in progress: format and lint of the changed C++ files, then the unit tests. Usage: tools/check.sh [COMMIT]
#
# Changed files are those that differ from COMMIT (default: HEAD) and untracked ones. Needs what tools/setup.sh installs,
# clang-format-19 and clang-tidy-19. Exits with status 1 if anything is wrong, with 2 if it cannot check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh
say() { echo "[check] $*" >&2; }
refuse() { say "$*"; exit 2; }

[ $# -le 1 ] || refuse "usage: tools/check.sh [COMMIT]"
commit=$(git rev-parse --verify --quiet "${1:-HEAD}^{commit}") || refuse "'$1' is not a commit"
missing=()
for tool in clang-format-19 clang-tidy-19; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] || refuse "install the missing Debian packages: apt-get install --no-install-recommends ${missing[*]}"

changed_files() {
  { git diff --name-only --diff-filter=d "$commit"; git ls-files --others --exclude-standard; } |
    grep -E '^(include|src|tests)/.*\.(cpp|h)$' | sort -u || true
}

# An unknown check would silently check nothing.
require_known_checks() {
  local known name
  clang-tidy-19 --verify-config --config-file=.clang-tidy >/dev/null || return 1
  known=$(clang-tidy-19 --list-checks --checks='*')
  # The names without a star in the list below "Checks:".
  for name in $(sed -nE "/^Checks:/,/^[B-Z]/s/^ *- *'-?([^'*]+)'.*/\1/p" .clang-tidy); do
    grep -qx " *$name" <<<"$known" || { say ".clang-tidy names an unknown check: $name"; return 1; }
  done
}

# Flags of g++ alone are removed: a precompiled header of g++ is of no use to clang.
write_compile_commands() {
  cmake --preset release >/dev/null
  mkdir -p build/check
  sed -E 's/ -Winvalid-pch//; s/ -include [^ ]*cmake_pch\.hxx//' build/release/compile_commands.json >build/check/compile_commands.json
}

# lint FILE: prints what clang-tidy finds and fails if it finds anything. Findings in headers count if the header has changed.
# Of misc-include-cleaner only unused headers count: a file may rely on what the headers it uses include.
lint() {
  local output status=0
  output=$(clang-tidy-19 --quiet -p build/check --line-filter="$line_filter" "$1" 2>/dev/null) || status=1
  awk '/^[^ ].*:[0-9]+:[0-9]+: (warning|error): / { skip = /no header providing .* is directly included/ }
       !skip && NF { print; found = 1 } END { exit found }' <<<"$output" || status=1
  [ $status -eq 0 ] || echo "[check] lint: $1 has findings" >&2
  return $status
}

mapfile -t changed < <(changed_files)
failed=0
if [ ${#changed[@]} -gt 0 ]; then
  say "format of ${#changed[@]} files"
  clang-format-19 --dry-run -Werror "${changed[@]}" || failed=1
  require_known_checks || refuse "fix .clang-tidy first"
  write_compile_commands
  sources=()
  for file in "${changed[@]}"; do
    if [[ $file == *.cpp ]] && grep -qF "\"file\": \"$PWD/$file\"" build/check/compile_commands.json; then sources+=("$file"); fi
  done
  say "lint of ${#sources[@]} source files"
  line_filter=$(printf '{"name":"%s"},' "${changed[@]}")
  line_filter="[${line_filter%,}]"
  export line_filter
  export -f lint
  if [ ${#sources[@]} -gt 0 ]; then
    printf '%s\n' "${sources[@]}" | nice xargs -P "$(nproc)" -I{} bash -c 'lint {}' || failed=1
  fi
fi

say "unit tests"
cmake --preset release >/dev/null
mapfile -t targets < <(ctest --preset release -N -L unit | sed -nE 's/.*: unit\.(.*)/cloob_\1_unit/p')
cmake --build --preset release --target "${targets[@]}" && ctest --preset release -L unit --parallel "$(nproc)" || failed=1
exit $failed
