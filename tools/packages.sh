# Functions for scripts: what packages.txt asks for, and installing what is missing. Source it from the root of the checkout.

# The packages of the named sections, for this system's package manager.
packages_of() {
  local column=2
  [ "$(uname)" = Darwin ] && column=3
  local section
  for section in "$@"; do
    awk -v section="$section" -v column="$column" '$1 == section && $column != "-" { print $column }' packages.txt
  done
}

# Node and its npm count however they came: NodeSource's package brings npm along and conflicts with Debian's.
is_installed() {
  case $1 in
    nodejs | node) command -v node >/dev/null && return 0 ;;
    npm) command -v npm >/dev/null && return 0 ;;
  esac
  if [ "$(uname)" = Darwin ]; then
    brew list --versions "$1" >/dev/null 2>&1
  else
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
  fi
}

# Installs what is missing of the named sections, saying what and why; silent when nothing is.
install_packages() {
  local missing=() package
  for package in $(packages_of "$@"); do
    # clang-19 makes the faster program, but any C++20 compiler will do.
    if [ "$package" = clang-19 ] && ! apt-cache show clang-19 >/dev/null 2>&1 && command -v apt-get >/dev/null; then
      [ -n "$(ls /var/lib/apt/lists 2>/dev/null)" ] && continue
    fi
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "Installing what is missing:"
  for package in "${missing[@]}"; do
    awk -v package="$package" '$2 == package || $3 == package { line = $0; sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, "", line); printf "  %-22s %s\n", package, line; exit }' packages.txt
  done
  if [ "$(uname)" = Darwin ]; then
    command -v brew >/dev/null || { echo "owlet: Homebrew is missing; https://brew.sh says how to install it" >&2; return 1; }
    brew install --quiet "${missing[@]}"
  elif command -v apt-get >/dev/null; then
    local sudo=""
    if [ "$(id -u)" != 0 ]; then
      command -v sudo >/dev/null || { echo "owlet: run as root, or install sudo: ${missing[*]} are missing" >&2; return 1; }
      sudo=sudo
    fi
    $sudo apt-get update -qq
    # Optional on systems that do not have it.
    apt-cache show clang-19 >/dev/null 2>&1 || missing=($(printf '%s\n' "${missing[@]}" | grep -vE '^(clang-19|libclang-rt-19-dev)$'))
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "owlet: neither apt-get nor brew is here; install: ${missing[*]}" >&2
    return 1
  fi
}

# What web/package-lock.json asks for, where it is not there yet.
install_page_tools() {
  [ web/node_modules/.package-lock.json -nt web/package-lock.json ] || npm --prefix web ci --no-audit --no-fund --silent
}

# The compiler to build with: $CXX, clang-19 where there is one, else the system's.
best_compiler() {
  if [ -n "${CXX:-}" ]; then
    echo "$CXX"
  elif command -v clang++-19 >/dev/null; then
    echo clang++-19
  else
    echo c++
  fi
}

# Where ccache is installed, builds go through it, and a second checkout finds what the first one compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

# configure FOLDER [cmake options]: a build folder, configured.
configure() {
  local folder=$1
  shift
  local options=(-DCMAKE_CXX_COMPILER="$(best_compiler)")
  [ "$(uname)" = Darwin ] && options+=("-DCMAKE_PREFIX_PATH=$(brew --prefix)")
  # It cannot keep what was compiled with headers read before.
  command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON)
  cmake -S . -B "$folder" -G Ninja "${options[@]}" "$@" >"$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; return 1; }
  rm -f "$folder.log"
}
