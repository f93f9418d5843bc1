#!/usr/bin/env bash
# The kernels on Arm: cross-compiled and run under QEMU as three processors. Ends with "N passed, N failed".
#   max         everything QEMU knows: the suite of its own instruction sets; the reference is the same everywhere, and tested there
#   cortex-a72  no dot products: must choose "generic" and run it
#   cortex-a76  dot products: must choose "neon" and run it
# Compiled by hand rather than by CMake: the kernels need only headers of other libraries, and those are the same on Arm.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/packages.sh
if [ "$(uname)" = Darwin ]; then
  echo "This machine is an Arm processor: the unit tests have run there."
  echo "0 passed, 0 failed"
  exit 0
fi
install_packages build arm || exit 1

out=build-arm
gtest=/usr/src/googletest/googletest
mkdir -p "$out/include"
for library in fmt spdlog nlohmann; do ln -sfn "/usr/include/$library" "$out/include/$library"; done

export common="-std=c++20 -O2 -ffp-contract=off -Isrc -isystem $out/include -isystem $gtest/include \
  -DFMT_HEADER_ONLY -DSPDLOG_FMT_EXTERNAL -Wall -Wextra -Wconversion -Wno-sign-conversion -Wno-psabi -Werror"
export neon="-march=armv8.2-a+dotprod+fp16" neonmm="-march=armv8.6-a+fp16"  # as in cmake/owlet_rooms.cmake

compile() {  # compile SOURCE OBJECT
  local flags=$common cache=""
  [[ $1 == */neon/* ]] && flags="$flags $neon"
  [[ $1 == */neonmm/* ]] && flags="$flags $neonmm"
  [[ $1 == /usr/* ]] && flags="$flags -I${1%/src/*} -w"
  command -v ccache >/dev/null && cache=ccache
  $cache aarch64-linux-gnu-g++ $flags -c "$1" -o "$2"
}
export -f compile

sources=$(ls src/core/{browser/cores,dtype,result,tensor,thread_pool}.cc src/quant/*.cc src/kernels/*.cc src/kernels/*/*.cc src/kernels/cpu/*/*.cc |
  grep -vE '/avx[a-z0-9]+/|/wasm/|/relaxed/|_main\.cc$|quant/.*_test\.cc$')
sources="$sources $gtest/src/gtest-all.cc $gtest/src/gtest_main.cc"
objects=""
for source in $sources; do
  object=$out/$(echo "$source" | tr / _).o
  objects="$objects $object"
  echo "$source $object"
done | sort -u >"$out/list"
objects=$(awk '{ print $2 }' "$out/list")
rm -f $objects
xargs -P "$(nproc)" -L 1 bash -c 'compile "$0" "$1"' <"$out/list" || { echo "0 passed, 1 failed"; exit 1; }
aarch64-linux-gnu-g++ -static -pthread -Wl,--no-warnings $objects -o "$out/kernels_test" || { echo "0 passed, 1 failed"; exit 1; }

passed=0
failed=0
# tally LOG…: adds up what the test program wrote.
tally() {
  local log ok wrong
  for log in "$@"; do
    ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) tests?.*/\1/p' "$log" | tail -n 1)
    wrong=$(sed -nE 's/^ ?([0-9]+) FAILED TESTS?$/\1/p' "$log" | tail -n 1)
    [ -z "$ok" ] && wrong=$((${wrong:-0} + 1))  # it did not come to its end
    passed=$((passed + ${ok:-0}))
    failed=$((failed + ${wrong:-0}))
    grep -vE '^(\[==|Running main|Note:|\[  PASSED)' "$log" | head -n 40
  done
}

# on PROCESSOR FILTER: the suite's tests that match, in two halves side by side.
on() {
  local shard pids=()
  echo "-- $1"
  for shard in 0 1; do
    GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$shard qemu-aarch64-static -cpu "$1" "$out/kernels_test" --gtest_brief=1 \
      --gtest_filter="$2" >"$out/$1.$shard.log" 2>&1 &
    pids+=($!)
  done
  wait "${pids[@]}"
  tally "$out/$1.0.log" "$out/$1.1.log"
}

# has PROCESSOR ISA yes|no: whether the program runs that instruction set there.
has() {
  local found=no
  qemu-aarch64-static -cpu "$1" "$out/kernels_test" --gtest_list_tests >"$out/list.log"
  grep -qE "/cpu_$2([^a-z]|$)" "$out/list.log" && found=yes
  if [ "$found" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $1: instruction set $2: $found, expected $3"
  fi
}

has max neonmm yes
has max neon yes
has cortex-a76 neonmm no
has cortex-a76 neon yes
has cortex-a72 neon no
has cortex-a72 generic yes
on max '-*/reference*:*/cpu_generic*:ProfiledOps.*'
on cortex-a76 '*Conformance.Match/cpu_neon*'
on cortex-a72 '*Conformance.Match/cpu_generic*:*ConformanceOfThreads*attention*'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
