# Shell functions that the programs of the tiny guest share. Sourced, never run.
run=/run/liquidmetal

# A line on the console for people and for the host's log. Always /dev/console: unlike the tty behind it, it survives the end of a login.
say() { echo "liquidmetal: $*" >/dev/console; }

# Global addresses of all interfaces, blank-separated, without prefix length.
addresses() {
  ip -o addr show scope global 2>/dev/null | while read -r _ _ _ address _; do
    printf '%s ' "${address%%/*}"
  done
}

# Path of the character device behind the virtio-serial port called $1.
agent_port() {
  for directory in /sys/class/virtio-ports/*; do
    [ -r "$directory/name" ] || continue
    read -r name <"$directory/name"
    [ "$name" = "$1" ] && echo "/dev/${directory##*/}" && return
  done
  return 1
}
