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

# Beside the build, so that the copies land on a disk and not in memory.
folder=$(mktemp -d -p target)
folder=$(realpath "$folder")
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT

ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
cp "$folder/key.pub" "$folder/authorized_keys"
head -c "${size}M" /dev/urandom >"$folder/file"
mkdir -p "$folder/spool" /run/sshd 2>/dev/null || mkdir -p "$folder/spool"
cat >"$folder/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $folder/host
AuthorizedKeysFile $folder/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
CONFIG
/usr/sbin/sshd -D -e -f "$folder/sshd_config" 2>"$folder/log" &
server=$!
for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.1
done
fingerprint=$(ssh-keygen -lf "$folder/host.pub" | awk '{ print $2 }')
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
