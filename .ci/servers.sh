# Sourced by what runs tests beside servers of other people's making: where things are, and how those servers are installed.

cache="${XDG_CACHE_HOME:-$HOME/.cache}/landfall"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR=never
export PATH="$PATH:$HOME/.cargo/bin"

venv="$cache/venv-stores"

have() { command -v "$1" >/dev/null; }

system_package() {
  local privilege=()
  [ "$(id -u)" = 0 ] || privilege=(sudo -n)
  DEBIAN_FRONTEND=noninteractive "${privilege[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${privilege[@]}" apt-get install -y -qq "$@"
}

install_servers() {
  if ! cmp -s .ci/servers.txt "$venv/installed.txt"; then
    if [ ! -x "$venv/bin/python" ]; then
      python3 -c 'import ensurepip' 2>/dev/null || system_package python3-venv
      python3 -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement .ci/servers.txt
    cp .ci/servers.txt "$venv/installed.txt"
  fi
}

# Runs a function and shows what it prints; a test that was passed over because a server was not there fails it.
run_and_look() {
  local log
  log=$(mktemp)
  "$@" 2>&1 | tee "$log"
  if grep "PASSED OVER" "$log"; then
    rm -f "$log"
    echo "a server was not there"
    return 1
  fi
  rm -f "$log"
}

# One set of features for everything that is tested beside servers: another one would compile the SDKs once more.
with_features() {
  cargo test --locked --workspace --all-features "$@"
}
export -f with_features
