/** `lm up`: the embedded platform of this machine. */
import type { Command } from "../../program/command.ts";

export const command: Command = {
  path: ["up"],
  summary: "Bring up the embedded platform: containerd and flintlockd",
  description:
    "Brings up a private containerd and flintlockd, kept running by a small supervisor, and starts again the guests that 'lm down' powered off. " +
    "What runs already is left alone. The flags are remembered: later runs need none. Needs root.",
  positionals: [],
  flags: [
    { name: "name", value: "NAME", summary: "name of the platform, where several run (as --platform)" },
    { name: "state-dir", value: "DIR", summary: "data", default: "/var/lib/liquidmetal", complete: "file" },
    { name: "run-dir", value: "DIR", summary: "sockets", default: "/run/liquidmetal", complete: "file" },
    { name: "containerd", value: "PROGRAM", summary: "containerd's program", default: "containerd", complete: "file" },
    {
      name: "containerd-socket",
      value: "PATH",
      summary: "a containerd that runs already",
      default: "a private one",
      complete: "file",
    },
    {
      name: "netns",
      value: "true|false",
      valueOptional: true,
      summary: "guests live in a network namespace of their own",
      default: "true",
    },
    {
      name: "egress",
      value: "true|false",
      valueOptional: true,
      summary: "guests may reach the outside (NAT)",
      default: "false",
    },
    { name: "subnet", value: "CIDR", summary: "addresses of the guests", default: "a free /24" },
    {
      name: "management-plane",
      value: "true|false",
      valueOptional: true,
      summary:
        "run Kubernetes' API server with Cluster API and capmvm as well (the first time they are compiled, some ten minutes)",
      default: "false",
    },
    { name: "no-management-plane", summary: "run none any more; its data stay" },
    {
      name: "grpc-endpoint",
      value: "ADDRESS",
      summary: "TCP address of the gRPC API as well",
      default: "the Unix socket only",
    },
    { name: "enable-http", summary: "serve the HTTP/JSON gateway" },
    { name: "http-endpoint", value: "ADDRESS", summary: "address of the gateway", default: "localhost:8090" },
    {
      name: "provider",
      value: "NAME",
      summary: "hypervisor of microVMs that name none",
      default: "the best one usable",
    },
    {
      name: "set",
      value: "KEY=VALUE",
      summary: "any other key of flintlockd's configuration (docs/configuration.md); without value: its default again",
      repeatable: true,
    },
  ],
  examples: [
    "lm up",
    "lm up --egress",
    "lm up --management-plane",
    "lm up --name test --state-dir /srv/test",
    "lm up --set registry-auth-file=/etc/liquidmetal/registry.json --set overcommit-vcpu=8",
  ],
  run: async (invocation, session) => (await import("../../platform/up.ts")).upPlatform(invocation, session),
};
