#!/usr/bin/env bash
# What it costs rosterd to unpack and decrypt a file, beside the real tools: `gzip -dc` and `gpg -d` on the same file, in
# turns. Each is a whole process. rosterd writes what is inside into a file, so the tools write theirs into a file of the
# same folder; the last column has them write to /dev/null, which rosterd never does.
#
#   benches/archives.sh [ROWS] [ROUNDS]           1,000,000 and 5 without numbers
#
# Needs cargo, bash, gzip, gpg, python3, and Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
rounds=${2:-5}

cargo build --release --quiet --example archive_read --example roster_file
target=${CARGO_TARGET_DIR:-target}
read=$(realpath "$target/release/examples/archive_read")
write=$(realpath "$target/release/examples/roster_file")

# Beside the build, so that what is unpacked lands on a disk and not in memory.
folder=$(realpath "$(mktemp -d -p "$target")")
# Short, for the path of a socket has at most 108 letters.
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
finish() {
  gpgconf --kill all >/dev/null 2>&1 || true
  rm -rf "$folder" "$GNUPGHOME"
}
trap finish EXIT
cd "$folder"
mkdir spool

gpg() { command gpg --batch --quiet --no-tty --trust-model always --passphrase '' --pinentry-mode loopback "$@"; }
encrypt() { gpg --recipient ours@rosterd.example --output "$1" "${@:2}" --encrypt roster.csv; }
for who in ours theirs; do
  gpg --quick-generate-key "$who@rosterd.example" ed25519 cert,sign never 2>/dev/null
  key=$(gpg --list-keys --with-colons "$who@rosterd.example" | awk -F: '/^fpr/ { print $10; exit }')
  gpg --quick-add-key "$key" cv25519 encr never
done
gpg --armor --export-secret-keys ours@rosterd.example >ours.key
gpg --armor --export theirs@rosterd.example >theirs.pub
"$write" "$rows" 1 >roster.csv
gzip --keep roster.csv
encrypt packed.pgp
encrypt armored.pgp --armor
encrypt signed.pgp --sign --local-user theirs@rosterd.example
encrypt plain.pgp --compress-algo none

python3 - "$read" "$rounds" <<'PY'
import os, statistics, sys, time

read, rounds = sys.argv[1], int(sys.argv[2])
gpg = ["gpg", "--batch", "--quiet", "--no-tty", "--trust-model", "always", "--decrypt"]
cases = [
    ("gzip", "roster.csv.gz", [], ["gzip", "-dc"]),
    ("OpenPGP, compressed", "packed.pgp", ["ours.key"], gpg),
    ("the same, armored", "armored.pgp", ["ours.key"], gpg),
    ("the same, signed", "signed.pgp", ["ours.key", "theirs.pub"], gpg),
    ("OpenPGP, not compressed", "plain.pgp", ["ours.key"], gpg),
]

def run(command, into):
    """Wall time, processor time and peak memory of a process; gpg's own agent is not counted."""
    began = time.monotonic()
    out = (os.POSIX_SPAWN_OPEN, 1, into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    err = (os.POSIX_SPAWN_OPEN, 2, "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[out, err])
    _, status, used = os.wait4(process, 0)
    took = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command} failed: {open('said').read()} {open(into, 'rb').read(2000)}")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024

print(f"{os.path.getsize('roster.csv') / 1e6:.1f} MB, medians of {rounds}: processor seconds (seconds)")
print("| | file | rosterd | peak | the tool | ratio | the tool to /dev/null | ratio |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for name, path, keys, tool in cases:
    ours, files, nowhere = [], [], []
    for turn in range(rounds + 1):
        if os.path.exists("plain.csv"):
            os.remove("plain.csv")
        took = (
            run([read, path, "spool", *keys], "header"),
            run([*tool, path], "plain.csv"),
            run([*tool, path], "/dev/null"),
        )
        if os.path.getsize("plain.csv") != os.path.getsize("roster.csv"):
            sys.exit(f"{path} is not what was packed")
        # The first turn brings the file into the page cache, and starts gpg's agent.
        if turn:
            for times, one in zip((ours, files, nowhere), took):
                times.append(one)
    middle = [[statistics.median(column) for column in zip(*times)] for times in (ours, files, nowhere)]
    (wall, cpu, peak), (wall_file, cpu_file, _), (wall_null, cpu_null, _) = middle
    print(
        f"| {name} | {os.path.getsize(path) / 1e6:.1f} MB | {cpu:.2f} ({wall:.2f}) | {peak / 1e6:.0f} MB "
        f"| {cpu_file:.2f} ({wall_file:.2f}) | {cpu / cpu_file:.2f} ({wall / wall_file:.2f}) "
        f"| {cpu_null:.2f} ({wall_null:.2f}) | {cpu / cpu_null:.2f} ({wall / wall_null:.2f}) |"
    )
PY
