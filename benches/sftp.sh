#!/usr/bin/env bash
# How fast rosterd reads a file from an SFTP server, beside OpenSSH's own `sftp`: the same file from the same
# server over loopback, in turns. Each is a whole process from its start to its end: connecting, logging in, the
# copy on the disk; rosterd's has the SHA-256 and every check besides.
#
#   benches/sftp.sh [MEBIBYTES] [ROUNDS]          200 and 7 without numbers
#
# Needs cargo, bash, OpenSSH's client and server, awk, and Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-200}
rounds=${2:-7}
port=${PORT:-8622}

cargo build --release --quiet --example sftp_read
read=$PWD/target/release/examples/sftp_read

. benches/sftp_server.sh
start_server
head -c "${size}M" /dev/urandom >"$folder/file"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$folder/host.pub")" >"$folder/known_hosts"
expected=$(sha256sum "$folder/file" | cut -d' ' -f1)

ours() {
  "$read" "$port" "$(id -un)" "$folder/key" "$fingerprint" "$folder/file" "$folder/spool" >"$folder/said"
}
theirs() {
  sftp -q -F none -P "$port" -i "$folder/key" -o BatchMode=yes -o IdentitiesOnly=yes \
    -o UserKnownHostsFile="$folder/known_hosts" -o GlobalKnownHostsFile=none ${CIPHER:+-c "$CIPHER"} \
    "$(id -un)@127.0.0.1:$folder/file" "$folder/copy" >/dev/null
}
seconds() {
  local began ended
  began=$(date +%s.%N)
  "$1"
  ended=$(date +%s.%N)
  awk -v began="$began" -v ended="$ended" 'BEGIN { printf "%.3f\n", ended - began }'
}
median() { sort -n "$1" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# Once before anything counts: the file is in the server's page cache then, for both.
ours
theirs
for _ in $(seq "$rounds"); do
  seconds ours >>"$folder/ours"
  grep -q "$expected" "$folder/said"
  rm -f "$folder/copy"
  seconds theirs >>"$folder/theirs"
  cmp -s "$folder/file" "$folder/copy"
done
awk -v size="$size" -v ours="$(median "$folder/ours")" -v theirs="$(median "$folder/theirs")" 'BEGIN {
  printf "rosterd %.3f s (%.0f MiB/s), sftp %.3f s (%.0f MiB/s), rosterd / sftp %.2f\n",
    ours, size / ours, theirs, size / theirs, theirs / ours }'
echo "rosterd: $(sort -n "$folder/ours" | tr '\n' ' ')"
echo "sftp:    $(sort -n "$folder/theirs" | tr '\n' ' ')"
