#!/usr/bin/env bash
# Format, lint, types, floors and contracts of both languages. Each step's words are shown only if it fails.
set -u
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
names=()
start() { # start NAME COMMAND…: two cores, so two at a time are enough
  local name=$1; shift
  names+=("$name")
  ( SECONDS=0; "$@" >"$log/$name" 2>&1; echo "$? $SECONDS" >"$log/$name.rc" ) &
}
start format ruff format --check --quiet .
start lint ruff check --quiet .
start types mypy
start floors lint-imports --no-cache
wait
start labextension npm --prefix labextension run --silent lint
start contracts python -m pytest -q -p no:cacheprovider tests/contracts
wait
failed=0
for name in "${names[@]}"; do
  read -r code seconds <"$log/$name.rc"
  if [ "$code" = 0 ]; then
    printf 'ok      %-14s %2ss\n' "$name" "$seconds"
  else
    printf 'FAILED  %-14s %2ss\n' "$name" "$seconds"
    sed 's/^/        /' "$log/$name"
    failed=1
  fi
done
exit $failed
