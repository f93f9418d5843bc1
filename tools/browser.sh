# Functions for scripts: the engine for the browser and the site around it. Source it from the root of the checkout, after packages.sh.

# Debian's Emscripten looks for Node's modules where Debian keeps them, and its Node must not fetch by itself.
export NODE_PATH=${NODE_PATH:-/usr/share/nodejs}

# build_browser TARGET…: in build-browser; with several threads, for pages that are isolated from other origins, build_browser --threads
# TARGET…: in build-browser-threads.
build_browser() {
  local folder=build-browser threads=OFF
  if [ "$1" = --threads ]; then folder=build-browser-threads threads=ON && shift; fi
  emcmake cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DOWLET_BROWSER_THREADS=$threads >"$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; return 1; }
  rm -f "$folder.log"
  ninja -C "$folder" "$@" >"$folder/ninja.log" || { grep -A5 -E 'error|FAILED' "$folder/ninja.log" | head -n 40 >&2; return 1; }
}

# build_site DIR [MODEL…] [--adapter NAME=FOLDER]…: page, engines, models, adapters, and the host's headers. Paths are from $OWLET_CALLED_FROM
# or from here.
build_site() {
  local engines built
  build_browser engines && build_browser --threads engines || return 1
  engines=$(mktemp -d)
  for built in single:build-browser threads:build-browser-threads single-relaxed:build-browser/relaxed threads-relaxed:build-browser-threads/relaxed; do
    [ -e "${built#*:}/engine.mjs" ] && mkdir "$engines/${built%%:*}" && cp "${built#*:}"/engine.* "$engines/${built%%:*}"
  done
  install_page_tools && OWLET_CALLED_FROM=${OWLET_CALLED_FROM:-$PWD} npm --prefix web run -s build:site -- "$engines" "$@"
  local status=$?
  rm -rf "$engines"
  return $status
}
