#!/usr/bin/env bash
# All Python tests: first what may run side by side, then what wants the machine for itself. Ends with one pytest line
# for each run and the sum of both.
set -u
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
out=$(mktemp -d)
started=
if command -v dockerd >/dev/null && [ "$(id -u)" = 0 ] && ! docker version >/dev/null 2>&1; then
  # An engine for the sandbox tests; ended with the run.
  dockerd >"$out/dockerd.log" 2>&1 &
  started=$!
  for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
fi
finish() {
  [ -n "$started" ] && kill "$started" 2>/dev/null && wait "$started" 2>/dev/null
  rm -rf "$out"
}
trap finish EXIT
if docker version >/dev/null 2>&1; then
  images/build >"$out/images.log" 2>&1 || { echo "The sandbox image was not built:"; tail -n 20 "$out/images.log"; }
fi
code=0
limit=()
command -v timeout >/dev/null && limit=(timeout --kill-after=20 1800)
run() { # run NAME ARGUMENTS…
  local name=$1; shift
  # A test that hangs in its tear-down is beyond the reach of its own limit: the run has one too.
  ${limit[@]+"${limit[@]}"} python -m pytest -q "$@" 2>&1 | tee "$out/$name"
  local result=${PIPESTATUS[0]}
  [ "$result" = 5 ] && result=0 # nothing selected
  [ "$result" = 0 ] || code=1
}
run shared -n 2 --dist loadfile -m "not (e2e or crash or embedded or bench or docker)"
run alone -m "(crash or embedded or docker) and not e2e" --timeout 900
# By itself: Playwright's own event loop stays in its process, where no other could be run beside it.
run browser -m e2e --timeout 900
count() { # count WORD: summed over the closing lines
  local sum=0 n
  for name in shared alone browser; do
    n=$(tail -n 1 "$out/$name" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0)
    sum=$((sum + n))
  done
  echo "$sum"
}
echo "$(count passed) passed, $(($(count failed) + $(count error))) failed, $(count skipped) skipped"
exit $code
