#!/usr/bin/env bash
# Runs every fuzz program of a build for so many seconds, two at a time: tests/fuzz.sh BUILD [SECONDS]. Ends with "N passed, N failed".
# What they find out about the code stays in BUILD/fuzz/NAME, so that the next run goes on from there; an input that crashes, stalls or
# asks for too much memory stays in BUILD/fuzz/found, and `BUILD/tests/fuzz/fuzz_NAME FILE` runs it again.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "$1")
seconds=${2:-60}
programs=$(cd "$build/tests/fuzz" 2>/dev/null && ls fuzz_* | grep -v seeds)
if [ -z "$programs" ]; then
  echo "This build has no fuzz programs: they need LLVM's clang."
  echo "0 passed, 0 failed"
  exit 0
fi
# Inputs whose readers want files are written to memory where there is such a place.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/owlet-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
mkdir -p "$build/fuzz/found"
"$build/tests/fuzz/fuzz_seeds" "$TMPDIR/seeds" || { echo "0 passed, 1 failed (seeds)"; exit 1; }

fuzz() {
  local name=${1#fuzz_} words=()
  [ -f "$root/tests/fuzz/$name.dict" ] && words=("-dict=$root/tests/fuzz/$name.dict")
  mkdir -p "$build/fuzz/$name"
  "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=131072 -timeout=60 -report_slow_units=60 -rss_limit_mb=2048 -malloc_limit_mb=512 \
    -print_final_stats=1 -artifact_prefix="$build/fuzz/found/$name-" "${words[@]}" "$build/fuzz/$name" "$TMPDIR/seeds/$name" \
    >"$build/fuzz/$name.log" 2>&1
}
report() {
  local name=${1#fuzz_} status=$2
  if [ "$status" = 0 ]; then
    passed=$((passed + 1))
    echo "-- $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/fuzz/$name.log") inputs"
  else
    failed=$((failed + 1))
    echo "FAIL fuzz $name: $(grep -aE '^(SUMMARY|==.*ERROR|.*: check failed)' "$build/fuzz/$name.log" | head -n 2)"
    grep -a 'Test unit written' "$build/fuzz/$name.log" || tail -n 20 "$build/fuzz/$name.log"
  fi
}

passed=0
failed=0
set -- $programs
while [ $# -gt 0 ]; do
  first=$1 second=${2:-}
  fuzz "$first" & one=$!
  [ -n "$second" ] && { fuzz "$second" & two=$!; }
  wait "$one"
  report "$first" $?
  [ -n "$second" ] && { wait "$two"; report "$second" $?; shift; }
  shift
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
