# How the scripts speak, and how they do things as root. Sourced by the other scripts; does nothing by itself.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  _bold=$'\e[1m' _red=$'\e[31m' _green=$'\e[32m' _dim=$'\e[2m' _off=$'\e[0m'
else
  _bold='' _red='' _green='' _dim='' _off=''
fi

# One line about what is being done:  say docker "starting the engine"
say() { printf '%s%-8s%s %s\n' "$_bold" "$1" "$_off" "$2"; }
done_() { printf '%s%-8s%s %s%s%s\n' "$_bold" "$1" "$_off" "$_green" "$2" "$_off"; }

# What went wrong, then each further argument as one line of what to do about it. Ends the script.
fail() {
  local topic=$1 what=$2
  shift 2
  printf '%s%-8s %s%s\n' "$_red" "$topic" "$what" "$_off" >&2
  local line
  for line in "$@"; do printf '%-8s %s\n' '' "$line" >&2; done
  exit 1
}

# Run a long command with its output in a log, and say every few seconds that it lives:
#   watched TOPIC "what it does" LOG command…
# Returns the command's status; on failure the tail of the log is shown.
watched() {
  local topic=$1 what=$2 log=$3 began=$SECONDS status=0 pid
  shift 3
  mkdir -p "$(dirname "$log")"
  say "$topic" "$what …"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  # Ctrl-C must end the command, too: background jobs of a script do not get the terminal's signal by themselves.
  trap 'kill "$pid" 2>/dev/null; trap - INT TERM; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    local passed=$((SECONDS - began))
    if [ -t 1 ]; then
      printf '\r%-8s %s%s s  %.90s%s\e[K' '' "$_dim" "$passed" "$(tail -n 1 "$log" | tr -d '\r\033')" "$_off"
    elif [ "$passed" -gt 0 ] && [ $((passed % 15)) = 0 ] && [ "${_told:-}" != "$passed" ]; then
      _told=$passed
      printf '%-8s … %s s\n' '' "$passed"
    fi
  done
  [ -t 1 ] && printf '\r\e[K'
  trap - INT TERM
  wait "$pid" || status=$?
  if [ "$status" = 0 ]; then
    done_ "$topic" "$what: done in $((SECONDS - began)) s"
  else
    printf '%s%-8s %s failed (status %s); the end of %s:%s\n' "$_red" "$topic" "$what" "$status" "$log" "$_off" >&2
    tail -n 30 "$log" | sed 's/^/         | /' >&2
  fi
  return "$status"
}

is_debian() { [ -r /etc/debian_version ] && command -v apt-get >/dev/null; }

# Whether `as_root` can work at all.
can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Install Debian packages, with progress:  apt_install TOPIC LOG package…
apt_install() {
  local topic=$1 log=$2
  shift 2
  # One line of sudo's question, if any, before the output goes to the log.
  as_root true
  watched "$topic" "installing Debian packages: $*" "$log" as_root sh -c '
    export DEBIAN_FRONTEND=noninteractive
    # An index that is a day old may name files that are gone, and a fresh machine has none.
    apt-get update -q && exec apt-get install -y -q --no-install-recommends "$@"' apt "$@"
}
