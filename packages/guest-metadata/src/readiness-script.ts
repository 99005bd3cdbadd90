/**
 * How a guest with cloud-init, and without an agent of ours, says that it is ready: a line on its console when cloud-init has finished, at every boot.
 *
 * It must survive whatever the user's own user data says, and come after the user's own commands. A `runcmd`, `write_files` or `final_message` of ours would be
 * replaced by the user's (user data wins over vendor data, lists are not merged), and `final_message` knows no addresses. A vendor-data part of type
 * `x-shellscript` is never replaced, but runs once per instance and before the user's `runcmd`. A `cloud-boothook` part is never replaced either and runs at every
 * boot, early: so it leaves behind a small process that waits for `/run/cloud-init/result.json`, which cloud-init writes last of all.
 */
import type { MadeInterface } from "@liquidmetal/microvm";

/** After this long without cloud-init's end the guest says nothing any more; seconds. */
const patienceSeconds = 3_600;

export function readinessScript(interfaces: readonly MadeInterface[]): string {
  const macs = interfaces.map(({ guestMac }) => guestMac.toLowerCase()).filter((mac) => /^[0-9a-f:]{17}$/.test(mac));
  return `#cloud-boothook
#!/bin/sh
# Says on the console that this machine is ready, once cloud-init has finished.
cat >/run/liquidmetal-ready <<'SCRIPT'
#!/bin/sh
waited=0
while [ ! -e /run/cloud-init/result.json ]; do
  [ "$waited" -lt ${patienceSeconds} ] || exit 0
  sleep 1
  waited=$((waited + 1))
done
addresses=
for mac in ${macs.join(" ")}; do
  for device in /sys/class/net/*; do
    [ "$(cat "$device/address" 2>/dev/null)" = "$mac" ] || continue
    found=$(ip -o addr show dev "\${device##*/}" scope global 2>/dev/null | sed -n 's/.* inet6\\{0,1\\} \\([0-9a-f.:]*\\)\\/.*/\\1/p')
    for address in $found; do addresses="\${addresses:+$addresses,}$address"; done
  done
done
printf '\\nliquidmetal: ready%s\\n' "\${addresses:+ addresses=$addresses}" >/dev/console
SCRIPT
chmod 0700 /run/liquidmetal-ready
setsid sh /run/liquidmetal-ready </dev/null >/dev/null 2>&1 &
exit 0
`;
}
