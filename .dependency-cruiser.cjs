/** The fences between the rooms (docs/architecture.md). Checked by `npm run check`. */
const adapters = "hypervisors|images|host-network|guest-metadata|spawner";
module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "A circle in which every arrow is there at run time. Types may refer to each other.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^node:" } },
    {
      name: "foundation-imports-nothing",
      severity: "error",
      from: { path: "^packages/foundation/src", pathNot: "\\.test\\.ts$" },
      to: { pathNot: "^packages/foundation/src" },
    },
    {
      name: "microvm-is-pure",
      comment: "The domain knows the foundation, and neither Node nor any library with I/O.",
      severity: "error",
      from: { path: "^packages/microvm/src", pathNot: "\\.test\\.ts$" },
      to: { pathNot: "^packages/(foundation|microvm)/src" },
    },
    {
      name: "registry-imports-foundation-only",
      comment: "The agent's images and the image builder both stand on it.",
      severity: "error",
      from: { path: "^packages/registry/src", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(?!registry/|foundation/)" },
    },
    {
      name: "image-builder-imports-foundation-and-registry-only",
      severity: "error",
      from: { path: "^packages/image-builder/src", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(?!image-builder/|foundation/|registry/)" },
    },
    {
      name: "kubernetes-imports-foundation-only",
      comment: "The controller runtime knows nothing of microVMs.",
      severity: "error",
      from: { path: "^packages/kubernetes/src", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(?!kubernetes/|foundation/)" },
    },
    {
      name: "placement-is-pure",
      severity: "error",
      from: { path: "^packages/placement/src", pathNot: "\\.test\\.ts$" },
      to: { pathNot: "^packages/(foundation|placement)/src" },
    },
    {
      name: "capmvm-knows-hosts-by-their-wire-only",
      severity: "error",
      from: { path: "^packages/capmvm/src", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(?!capmvm/|foundation/|api/|kubernetes/|placement/)" },
    },
    {
      name: "management-plane-imports-foundation-kubernetes-and-image-builder-only",
      severity: "error",
      from: { path: "^packages/management-plane/src", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(?!management-plane/|foundation/|kubernetes/|image-builder/)" },
    },
    {
      name: "adapters-do-not-know-each-other",
      severity: "error",
      from: { path: `^packages/(${adapters})/src`, pathNot: "\\.test\\.ts$" },
      to: { path: `^packages/(${adapters}|host-agent|cli|platform|image-builder)/src`, pathNot: "^packages/$1/src" },
    },
    {
      name: "core-of-the-agent-knows-ports-only",
      severity: "error",
      from: { path: "^packages/host-agent/src/(engine|journal|api)/", pathNot: "\\.test\\.ts$" },
      to: { path: `^packages/(${adapters}|cli|platform|image-builder)/src` },
    },
    {
      name: "nobody-imports-a-main",
      severity: "error",
      from: { pathNot: "^tests/|\\.test\\.ts$" },
      to: { path: "^packages/[^/]+/src/main\\.ts$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/gen/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".cjs", ".mjs", ".json"],
    },
  },
};
