#!/usr/bin/env bash
# Format, lint, types, floors and contracts of both languages. Each step's words are shown only if it fails.
set -u
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
names=(format lint types floors labextension contracts)
step() { # step NAME COMMAND…
  local name=$1 code=0; shift
  SECONDS=0
  "$@" >"$log/$name" 2>&1 || code=$?
  echo "$code $SECONDS" >"$log/$name.rc"
}
# Two lanes of about the same length, for two cores.
{
  step types mypy
  step format ruff format --check --quiet .
  step lint ruff check --quiet .
} &
{
  step labextension npm --prefix labextension run --silent lint
  step floors lint-imports
  step contracts python -m pytest -q -p no:cacheprovider -m "not slow" tests/contracts
} &
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
