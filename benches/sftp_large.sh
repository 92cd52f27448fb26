#!/usr/bin/env bash
# Files beyond 2 and 4 GiB from an SFTP server: that size and SHA-256 are right, how long it takes, and the peak of
# the memory. The files have holes (they take no room), but for a few bytes here and there; the copies have none.
# Each is a whole process, the example `sftp_read`, which calls `source::fetch` as a sync does.
#
#   benches/sftp_large.sh [BYTES…]                2147483648 and 4294967297 without numbers
#
# Needs cargo, bash, OpenSSH's server, GNU time, coreutils, room for one copy below target/, and Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# = 0 ]; then set -- 2147483648 4294967297; fi
port=${PORT:-8623}

# READ names an `sftp_read` that is built already.
if [ -z "${READ:-}" ]; then cargo build --release --quiet --example sftp_read; fi
read=${READ:-$PWD/target/release/examples/sftp_read}

. benches/sftp_server.sh
start_server "LogLevel DEBUG1"

for size in "$@"; do
  rm -f "$folder/file"
  truncate -s "$size" "$folder/file"
  for place in 0 1048576 2147483640 2147483648 4294967290 $((size - 6)); do
    if [ $((place + 6)) -le "$size" ]; then
      printf 'a place' | head -c 6 | dd of="$folder/file" bs=1 seek="$place" conv=notrunc status=none
    fi
  done
  expected=$(sha256sum "$folder/file" | cut -d' ' -f1)
  : >"$folder/log"
  said=$(/usr/bin/time -f '%e %M' -o "$folder/cost" \
    "$read" "$port" "$(id -un)" "$folder/key" "$fingerprint" "$folder/file" "$folder/spool")
  if [ "$said" != "$size $expected" ]; then
    echo "WRONG: $said, not $size $expected" >&2
    exit 1
  fi
  keys=$(grep -c 'ssh_set_newkeys: rekeying out' "$folder/log" || true)
  awk -v size="$size" -v keys="$keys" '{
    printf "%s bytes, SHA-256 right: %.1f s (%.0f MiB/s), peak %.1f MiB, new keys %d times\n",
      size, $1, size / 1048576 / $1, $2 / 1024, keys }' "$folder/cost"
done
