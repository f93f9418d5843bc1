# Functions for scripts: the engine for the browser and the site around it. Source it from the root of the checkout, after packages.sh.

# Debian's Emscripten looks for Node's modules where Debian keeps them, and its Node must not fetch by itself.
export NODE_PATH=${NODE_PATH:-/usr/share/nodejs}

# build_browser TARGET…: in build-browser.
build_browser() {
  emcmake cmake -S . -B build-browser -G Ninja -DCMAKE_BUILD_TYPE=Release >build-browser.log 2>&1 || { tail -n 20 build-browser.log >&2; return 1; }
  rm -f build-browser.log
  ninja -C build-browser "$@" >build-browser/ninja.log || { grep -A5 -E 'error|FAILED' build-browser/ninja.log | head -n 40 >&2; return 1; }
}

# build_site DIR: page, engine, the bundled model and the host's headers.
build_site() {
  local to engine
  mkdir -p "$1" && to=$(cd "$1" && pwd) || return 1
  engine=$(mktemp -d)
  build_browser engine || return 1
  mkdir "$engine/single"
  cp build-browser/engine.{mjs,wasm} "$engine/single"
  (cd web && npm ci --no-audit --no-fund --silent && npm run -s build:site -- "$to" "$engine" ../models/owlet.gguf)
  local status=$?
  rm -rf "$engine"
  return $status
}
