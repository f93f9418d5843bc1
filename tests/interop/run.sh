#!/usr/bin/env bash
# Lets other people's programs judge what Owlet wrote and how it serves: tests/interop/run.sh OWLET GOLDEN DATA FOLDER [NAME…]
# FOLDER keeps a Python environment and what the checks make; NAME picks some of the checks (transformers, peft, gguf …).
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
owlet=$1 golden=$2 data=$3 folder=$4
shift 4
venv=$folder/venv
passed=0
failed=0

mkdir -p "$folder"
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  { [ -x "$venv/bin/python" ] || python3 -m venv "$venv"; } && "$venv/bin/pip" install --quiet --no-input -r "$here/requirements.txt" &&
    cp "$here/requirements.txt" "$venv/installed.txt" || { echo "FAIL the Python packages cannot be installed"; echo "0 passed, 1 failed"; exit 1; }
fi
for check in "$here"/check_*.py; do
  name=$(basename "$check" .py)
  name=${name#check_}
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  echo "-- $name"
  texts=()
  grep -q -e '"--data"' "$check" && [ -d "$data" ] && texts=(--data "$data")
  log=$folder/$name.log
  mkdir -p "$folder/$name"
  "$venv/bin/python" "$check" --owlet "$owlet" --golden "$golden" "${texts[@]}" --work "$folder/$name" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  if [ -z "$line" ]; then
    echo "FAIL $name: no result (exit $status)"
    line="0 passed, 1 failed"
  fi
  passed=$((passed + $(echo "$line" | awk '{print $1}')))
  failed=$((failed + $(echo "$line" | awk '{print $3}')))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
