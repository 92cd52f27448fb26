#!/usr/bin/env bash
# How fast rosterd reads the list of an HTTP API, beside a plain loop that asks for the same pages one after the other
# and throws them away: the same server, the same HTTP library, in turns. rosterd checks every page, writes the records
# to the disk, and makes people of them.
#
#   benches/http.sh [PAGES] [MILLISECONDS] [ROUNDS]          1000, 20 and 3 without numbers
#
# Needs cargo and bash.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --example http_read
exec target/release/examples/http_read "${1:-1000}" "${2:-20}" "${3:-3}"
