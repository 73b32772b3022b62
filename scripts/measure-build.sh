#!/usr/bin/env bash
# Measures what it costs to build Landfall's default features from nothing: CPU seconds, wall time, the memory of the
# largest process, and how many crates are compiled. `--features terminal` and the like are passed on to cargo.
#
# Landfall is compiled as a service that depends on it does: not incrementally, which is for the crates one works on.
# Wall time depends on what else the machine does, CPU seconds by a third at most.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT

if [ ! -x /usr/bin/time ]; then
  echo "the program 'time' is missing: install it, on Debian with apt-get install time" >&2
  exit 1
fi

cargo fetch --locked --quiet
CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0 /usr/bin/time -v -o "$target/time" \
  cargo build --locked --offline --quiet --package landfall --message-format json "$@" >"$target/messages"

field() { sed -n "s/^.*$1: //p" "$target/time"; }

echo "$(rustc --version), $(nproc) cores, $(date -u +%F), load $(cut -d ' ' -f 1 /proc/loadavg)"
awk -v user="$(field 'User time (seconds)')" -v kernel="$(field 'System time (seconds)')" \
  'BEGIN { printf "CPU seconds           %.1f (%.1f user, %.1f system)\n", user + kernel, user, kernel }'
echo "wall time             $(field 'Elapsed (wall clock) time (h:mm:ss or m:ss)')"
awk -v kilobytes="$(field 'Maximum resident set size (kbytes)')" \
  'BEGIN { printf "largest process       %.0f MB\n", kilobytes / 1024 }'
echo "crates                $(grep -o '"package_id":"[^"]*"' "$target/messages" | sort -u | wc -l)"
echo "target folder         $(du -sm "$target" | cut -f 1) MB"
