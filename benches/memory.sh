#!/usr/bin/env bash
# Peak memory of a whole `rosterd sync` beside the size of the file that it reads: a first sync, and a second
# one against the baseline that the first made. Then how long `rosterd explain` takes with so many members.
#
#   benches/memory.sh [ROWS]          1,000,000 without a number
#
# Needs cargo, bash, python3 and Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
port=${PORT:-8619}

cargo build --release --quiet --bin rosterd --example roster_file
rosterd=$PWD/target/release/rosterd
write=$PWD/target/release/examples/roster_file

folder=$(mktemp -d)
sandbox=
finish() {
  if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT

mkdir "$folder/inbox"
printf 'vit_apk_sandbox' >"$folder/api.key"
cat >"$folder/rosterd.yaml" <<YAML
vitable:
  base_url: http://127.0.0.1:$port
  api_key: { file: api.key }
  max_members_per_sync: 10000000
  poll: { first: 1s, max: 2s }
state_dir: state
alerts:
  folder: mail
  from: "rosterd <rosterd@partner.example>"
  to: [benefits-ops@partner.example]
mappings:
$(sed -n '/^  hr:/,/^sources:/p' config/demo/rosterd.yaml | sed '$d')
sources:
  acme:
    file: { path: inbox/*.csv, settle: 0s }
    mapping: hr
feeds:
  acme:
    sources: [acme]
    groups: { by: Division, map: { East: acme-east, West: acme-west } }
    guard: { first_sync: submit }
YAML

"$rosterd" sandbox --listen "127.0.0.1:$port" >"$folder/sandbox.log" 2>&1 &
sandbox=$!

# Runs a sync and says how much memory it had at its most: the kernel's own figure, read when the process ends.
sync() {
  local day=$1 file="$folder/inbox/day-$1.csv" log="$folder/sync-$1.log" size peak began
  "$write" "$rows" "$day" >"$file"
  size=$(stat -c %s "$file")
  began=$(date +%s.%N)
  python3 - "$log" "$rosterd" --config "$folder/rosterd.yaml" sync acme <<'PY' >"$folder/peak"
import resource, subprocess, sys
with open(sys.argv[1], "w") as log:
    code = subprocess.run(sys.argv[2:], stdout=log, stderr=log).returncode
if code not in (0, 4):
    sys.exit(f"rosterd ended with {code}; its words are in {sys.argv[1]}:\n" + open(sys.argv[1]).read()[:4000])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
PY
  peak=$(cat "$folder/peak")
  awk -v day="$day" -v size="$size" -v peak="$peak" -v began="$began" -v ended="$(date +%s.%N)" 'BEGIN {
    printf "sync %d: file %.1f MB, peak %.1f MB, ratio %.2f, %.1f s with the sandbox\n",
      day, size / 1e6, peak / 1e6, peak / size, ended - began }'
}

for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.1
done
sync 1
sync 2

# Somebody in the middle of the file, and somebody whom nobody knows.
middle=$(awk -F, -v at=$((rows / 2 + 2)) 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "Employee ID") id = i } NR == at { print $id }' "$folder/inbox/day-2.csv")
for member in "$middle" nobody; do
  began=$(date +%s.%N)
  "$rosterd" --config "$folder/rosterd.yaml" explain "$member" >"$folder/explained" 2>&1 || true
  awk -v member="$member" -v began="$began" -v ended="$(date +%s.%N)" 'BEGIN { printf "explain %s: %.2f s\n", member, ended - began }'
done
head -3 "$folder/explained"
