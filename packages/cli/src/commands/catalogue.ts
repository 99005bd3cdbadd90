/** Every command by its path. Only the one that is run gets loaded; help, completion and docs load them all. */
import type { Command } from "../program/command.ts";

export type CommandLoader = () => Promise<{ readonly command: Command }>;

/** In the order of the help. */
export const catalogue: Readonly<Record<string, CommandLoader>> = {
  up: () => import("./platform/up.ts"),
  down: () => import("./platform/down.ts"),
  status: () => import("./platform/status.ts"),
  doctor: () => import("./platform/doctor.ts"),
  "cluster create": () => import("./cluster/create.ts"),
  "cluster list": () => import("./cluster/list.ts"),
  "cluster describe": () => import("./cluster/describe.ts"),
  "cluster get-nodes": () => import("./cluster/get-nodes.ts"),
  "cluster kubeconfig": () => import("./cluster/kubeconfig.ts"),
  "cluster scale": () => import("./cluster/scale.ts"),
  "cluster upgrade": () => import("./cluster/upgrade.ts"),
  "cluster delete": () => import("./cluster/delete.ts"),
  kubectl: () => import("./cluster/kubectl.ts"),
  clusterctl: () => import("./cluster/clusterctl.ts"),
  "vm create": () => import("./vm/create.ts"),
  "vm list": () => import("./vm/list.ts"),
  "vm get": () => import("./vm/get.ts"),
  "vm describe": () => import("./vm/describe.ts"),
  "vm start": () => import("./vm/start.ts"),
  "vm stop": () => import("./vm/stop.ts"),
  "vm reboot": () => import("./vm/reboot.ts"),
  "vm pause": () => import("./vm/pause.ts"),
  "vm resume": () => import("./vm/resume.ts"),
  "vm delete": () => import("./vm/delete.ts"),
  "vm console": () => import("./vm/console.ts"),
  "vm ssh": () => import("./vm/ssh.ts"),
  "vm logs": () => import("./vm/logs.ts"),
  "vm events": () => import("./vm/events.ts"),
  "image list": () => import("./image/list.ts"),
  "image pull": () => import("./image/pull.ts"),
  "image import": () => import("./image/import.ts"),
  "image inspect": () => import("./image/inspect.ts"),
  "image remove": () => import("./image/remove.ts"),
  "image recipes": () => import("./image/recipes.ts"),
  "image build": () => import("./image/build.ts"),
  "image verify": () => import("./image/verify.ts"),
  "image push": () => import("./image/push.ts"),
  "image lock": () => import("./image/lock.ts"),
  "image cache": () => import("./image/cache.ts"),
  "host get": () => import("./host/get.ts"),
  "context list": () => import("./context/list.ts"),
  "context set": () => import("./context/set.ts"),
  "context use": () => import("./context/use.ts"),
  "context remove": () => import("./context/remove.ts"),
  completion: async () => ({ command: (await import("./completion/script.ts")).completionCommand(allCommands) }),
  version: () => import("./platform/version.ts"),
  _complete: () => import("./completion/candidates.ts"),
  _connect: () => import("./vm/connect.ts"),
  _reference: async () => ({ command: (await import("./platform/reference.ts")).referenceCommand(allCommands) }),
};

/** Other words for the same. */
export const aliases: Readonly<Record<string, string>> = {
  microvm: "vm",
  vms: "vm",
  clusters: "cluster",
  "cluster ls": "cluster list",
  "cluster rm": "cluster delete",
  "cluster nodes": "cluster get-nodes",
  images: "image",
  "vm ls": "vm list",
  "vm rm": "vm delete",
  "vm show": "vm get",
  "image ls": "image list",
  "image rm": "image remove",
  "context ls": "context list",
};

export async function allCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(catalogue).map(async (load) => (await load()).command));
}
