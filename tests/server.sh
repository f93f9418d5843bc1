# Functions for test scripts: a server beside the script. Source it.

server=""

# start_server LOG COMMAND…: sets $server, its process, and $url as soon as it serves. The log of the server before goes first: the new
# one's is made by a process that may come late to it, and the old address must not be taken for its.
start_server() {
  local log=$1
  shift
  url=""
  : >"$log"
  "$@" >"$log" 2>&1 &
  server=$!
  for _ in $(seq 600); do
    grep -q 'Ctrl-C stops' "$log" && break
    kill -0 "$server" 2>/dev/null || { cat "$log"; return 1; }
    sleep 0.1
  done
  url=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$log" | head -n 1)
  [ -n "$url" ]
}

# stop_server: with the server's own exit status.
stop_server() {
  local status=0
  [ -n "$server" ] && kill -TERM "$server" && { wait "$server"; status=$?; }
  server=""
  return $status
}
