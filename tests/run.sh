#!/usr/bin/env bash
# Installs what the tests need on Debian, and runs them all. One command: tests/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian packages: the real peers. As root they are installed; otherwise their absence is said.
missing=()
command -v cc >/dev/null 2>&1 || missing+=(build-essential)
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
command -v python3 >/dev/null 2>&1 || missing+=(python3)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(faketime)
command -v gpg >/dev/null 2>&1 || missing+=(gnupg)
command -v zip >/dev/null 2>&1 || missing+=(zip)
command -v iconv >/dev/null 2>&1 || missing+=(libc-bin)
command -v groff >/dev/null 2>&1 || missing+=(groff-base)
command -v systemd-analyze >/dev/null 2>&1 || missing+=(systemd)
command -v unshare >/dev/null 2>&1 || missing+=(util-linux)
if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "please install: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}"
fi

# A password through PAM needs an account that has one: as root the tests make a throwaway one and delete it.
if [ "$(id -u)" -ne 0 ]; then
  echo "not root: the SFTP tests with passwords through PAM and with a chroot will do nothing" >&2
fi

# The official client of Vitable, which must work against the sandbox unchanged; and a mail server.
venv=target/python
if ! "$venv/bin/python" -c 'import vitable_connect, aiosmtpd, openpyxl' >/dev/null 2>&1; then
  mkdir -p target
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet vitable-connect==6.2.0 aiosmtpd==1.4.6 openpyxl==3.1.5
fi
export ROSTERD_TEST_PYTHON="$PWD/$venv/bin/python"

# Snapshots are compared, never written, and crash points are on.
export INSTA_UPDATE=no
cargo test --features failpoints --locked "$@"
