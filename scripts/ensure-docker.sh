#!/usr/bin/env bash
# Make sure that a container engine answers. If none does: on Debian and Ubuntu, as root or by sudo, install the
# distribution's docker.io and start it, with systemd or without; elsewhere say what to install.
#
# For trying it beside a running engine: DOCKER_SOCKET, DOCKER_DATA, DOCKERD_LOG, DOCKERD_ARGS, DOCKER_DRIVERS. Give the
# second engine a pidfile, an exec-root and a bridge of its own: --bridge=none would remove the first one's docker0.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/speak.bash

socket=${DOCKER_SOCKET:-/var/run/docker.sock}
data=${DOCKER_DATA:-/var/lib/docker}
log=${DOCKERD_LOG:-/var/log/dockerd.log}
extra=${DOCKERD_ARGS:-}
python=$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)

# Prints nothing and returns 0 if an engine answers where our software will look for it; else 1 (nobody there),
# 2 (there, but this user may not talk to it).
ask_engine() {
  if [ -n "${DOCKER_HOST:-}" ] && [ "${DOCKER_HOST#unix://}" = "$DOCKER_HOST" ]; then
    "$python" -c 'import docker; docker.from_env(timeout=10).ping()' 2>/dev/null
    return
  fi
  local path=$socket
  [ -n "${DOCKER_HOST:-}" ] && path=${DOCKER_HOST#unix://}
  # The standard library only: quicker than the SDK, and it works before anything is installed.
  "$python" - "$path" <<'PY' 2>/dev/null
import http.client, socket, sys

class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(sys.argv[1])

try:
    connection = Local("localhost")
    connection.request("GET", "/_ping")
    sys.exit(0 if connection.getresponse().status == 200 else 1)
except PermissionError:
    sys.exit(2)
except OSError:
    sys.exit(1)
PY
}

status=0
ask_engine || status=$?
[ "$status" = 0 ] && exit 0

if [ "$status" = 2 ]; then
  fail docker "the engine at $socket runs, but $(id -un) may not talk to it" \
    "Join its group and log in again:  sudo usermod -aG docker $(id -un)" "or run this command as root."
fi
if [ -n "${DOCKER_HOST:-}" ]; then
  fail docker "nothing answers at DOCKER_HOST=$DOCKER_HOST" "Start that engine, or unset DOCKER_HOST to use the local one."
fi
if [ "$(uname -s)" != Linux ]; then
  fail docker "no container engine answers" "Install Docker Desktop (or colima), start it, and run this again."
fi

have_dockerd() { command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ]; }

if ! have_dockerd && ! is_debian; then
  fail docker "no container engine answers, and none is installed" \
    "Install it with your distribution's package manager, for example:" \
    "  Fedora:  sudo dnf install moby-engine && sudo systemctl start docker" \
    "  Arch:    sudo pacman -S docker && sudo systemctl start docker" \
    "  Alpine:  sudo apk add docker && sudo service docker start" "and run this again."
fi
if ! can_be_root; then
  fail docker "no container engine answers, and only root can install or start one" \
    "As root:  apt-get install docker.io iptables && systemctl start docker  (or run this script as root)."
fi

if ! have_dockerd; then
  apt_install docker build/logs/apt-docker.log docker.io iptables ca-certificates ||
    fail docker "the Debian packages could not be installed" "See build/logs/apt-docker.log."
fi

# Newer Debians split the client off. Nothing of ours needs it; people do.
if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
  apt_install docker build/logs/apt-docker-cli.log docker-cli || say docker "docker-cli could not be installed; going on without"
fi

wait_for_engine() { # SECONDS [PID]: 0 as soon as it answers, 1 when it does not, or when the process ended
  local deadline=$((SECONDS + $1)) pid=${2:-} told=$SECONDS
  while [ "$SECONDS" -lt "$deadline" ]; do
    as_root test -S "$socket" && as_root "$python" -c "
import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('$socket')
s.sendall(b'GET /_ping HTTP/1.0\r\n\r\n')
sys.exit(b' 200 ' not in s.recv(100))" 2>/dev/null && return 0
    [ -n "$pid" ] && ! as_root kill -0 "$pid" 2>/dev/null && return 1
    [ $((SECONDS - told)) -ge 10 ] && told=$SECONDS && say docker "… still waiting for the engine"
    sleep 0.2
  done
  return 1
}

finish() {
  status=0
  ask_engine || status=$?
  if [ "$status" = 2 ]; then
    fail docker "the engine runs now, but $(id -un) may not talk to it" \
      "Join its group and log in again:  sudo usermod -aG docker $(id -un)" "then run this command again."
  fi
  [ "$status" = 0 ] || fail docker "the engine started and fell silent again" "See $log."
  done_ docker "$1"
  exit 0
}

if [ -d /run/systemd/system ] && [ -z "${DOCKER_SOCKET:-}" ]; then
  say docker "starting the engine (systemctl start docker)"
  as_root systemctl start docker || {
    as_root journalctl -u docker -n 20 --no-pager >&2 || true
    fail docker "systemd could not start the engine" "The lines above are its log; then:  systemctl status docker"
  }
  wait_for_engine 60 || fail docker "the engine did not answer within 60 s" "See:  journalctl -u docker"
  finish "the engine answers"
fi

# No systemd: a container, a chroot, a minimal machine. The package may have started the engine by its init script.
[ -z "${DOCKER_SOCKET:-}" ] && command -v pgrep >/dev/null && pgrep -x dockerd >/dev/null && wait_for_engine 20 && finish "the engine answers"

mountpoint -q /sys/fs/cgroup || as_root mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
  say docker "there is no /sys/fs/cgroup, and it cannot be mounted; the engine will say whether it needs it"
if [ "$(cat /proc/sys/net/ipv4/ip_forward)" != 1 ]; then
  as_root sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' ||
    say docker "IP forwarding is off and cannot be switched on: containers will reach nothing outside"
fi

nat_works() { as_root iptables -t nat -nL >/dev/null 2>&1; }
case " $extra " in
  *" --iptables=false "* | *" --bridge=none "*) ;;
  *)
    if ! nat_works; then # some kernels have only one of the two kinds of tables
      for kind in iptables-legacy iptables-nft; do
        as_root update-alternatives --set iptables "/usr/sbin/$kind" >/dev/null 2>&1 && nat_works && break
      done
      nat_works || fail docker "iptables cannot make NAT rules on this kernel, so sandboxes would have no network" \
        "$(as_root iptables -t nat -nL 2>&1 | tail -n 1)" \
        "Load the modules (modprobe iptable_nat nf_nat), or run where they are; in a container, give it NET_ADMIN."
    fi
    ;;
esac

start_engine() { # DRIVER: prints its process id
  # shellcheck disable=SC2016,SC2086  # the inner shell expands $log; DOCKERD_ARGS is a list of words
  as_root sh -c 'log=$1; shift; PATH=$PATH:/usr/sbin:/sbin setsid dockerd "$@" >"$log" 2>&1 </dev/null & echo $!' start "$log" \
    -H "unix://$socket" --data-root "$data" --storage-driver "$1" $extra
}

# A data folder that holds another driver's images keeps that driver: starting with the first would hide them.
drivers=${DOCKER_DRIVERS:-overlay2 vfs}
if as_root test -d "$data/vfs/dir" && ! as_root test -d "$data/overlay2"; then drivers="vfs"; fi

for driver in $drivers; do
  say docker "starting the engine (dockerd, $driver, log in $log) …"
  pid=$(start_engine "$driver")
  if wait_for_engine 60 "$pid"; then
    [ "$driver" = vfs ] && say docker "the vfs driver copies whole images for each container: slow, but it works everywhere"
    finish "the engine answers (dockerd, $driver, process $pid)"
  fi
  as_root kill "$pid" 2>/dev/null || true
  for _ in $(seq 50); do as_root kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
done
echo "the end of $log, without the small talk:" >&2
as_root grep -v 'level=info' "$log" | tail -n 15 | sed 's/^/         | /' >&2 || true
fail docker "dockerd does not start" "The lines above say why. In a container it needs --privileged; on a VM, a kernel with overlayfs and bridges."
