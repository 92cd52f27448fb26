# To be sourced: a throwaway OpenSSH server on loopback, for the measurements beside it. Wants `port`; gives `folder` with
# the server's files, the `key` that it lets in, the folder `spool` and its `log`, and the `fingerprint` of its key. All of
# it is gone at the end.

# Beside the build, so that the copies land on a disk and not in memory.
folder=$(realpath "$(mktemp -d -p target)")
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT

# A line for the server's configuration may stand behind the name.
start_server() {
  ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
  ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
  cp "$folder/key.pub" "$folder/authorized_keys"
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
${1:-}
Subsystem sftp internal-sftp
CONFIG
  /usr/sbin/sshd -D -e -f "$folder/sshd_config" 2>"$folder/log" &
  server=$!
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.1
  done
  fingerprint=$(ssh-keygen -lf "$folder/host.pub" | awk '{ print $2 }')
}
