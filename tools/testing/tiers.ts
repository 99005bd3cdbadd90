/** The tiers of the tests, in the order in which they run: quick ones first, so that a mistake is seen soon. */
import type { Purpose } from "../setup/system-packages.ts";

/** A recipe with its parameters, built before the tests of a tier run: they shall test, and not time out in a compiler. */
export interface PreparedImage {
  readonly recipe: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** What a first build does, for people. */
  readonly work: string;
}

export interface Tier {
  readonly name: string;
  /** Files are run in this order, each once: what takes long comes first. */
  readonly globs: readonly string[];
  /** Files of another tier. */
  readonly except?: readonly string[];
  /** Processes at once. Guests under emulation need both processors, so the heavy tiers run one file at a time. */
  readonly concurrency: number;
  /** `together`: all files in one process each share of them, which saves starting Node and loading the sources a hundred times. */
  readonly files: "apart" | "together";
  readonly needs: readonly Purpose[];
  readonly images: readonly PreparedImage[];
  /** Milliseconds that a process may take before it counts as hanging. */
  readonly timeoutMs: number;
  /** Runs only when it is named. */
  readonly onlyWhenNamed?: boolean;
}

const system: readonly Purpose[] = ["run", "images", "builds", "test"];

const quickImages: readonly PreparedImage[] = [
  { recipe: "kernel/distro", work: "repacks Debian's cloud kernel; seconds" },
  { recipe: "base/tiny", work: "unpacks busybox and dropbear; seconds" },
];

/** What `npm test` boots. */
const bootedImages: readonly PreparedImage[] = [
  ...quickImages,
  { recipe: "base/debian-12", work: "installs Debian packages into a new root; a minute or two" },
  {
    recipe: "node/kubernetes",
    work: "compiles Kubernetes, containerd, etcd, CoreDNS and CNI plugins from module source; up to 20 minutes on two processors",
  },
];

const longImages: readonly PreparedImage[] = [
  ...bootedImages,
  {
    recipe: "node/kubernetes",
    parameters: { kubernetes: "1.35.4" },
    work: "compiles another version of Kubernetes; up to 15 minutes on two processors",
  },
];

const controllers: readonly string[] = ["tests/integration/{capmvm,kubernetes,management-plane}*.test.ts"];

/** A file that boots nodes of Kubernetes needs the machine for itself, and ten minutes of a quiet one: see world/machine-speed.ts. `npm test -- clusters`. */
const clusters: readonly string[] = ["tests/e2e/cluster*.test.ts"];

export const tiers: readonly Tier[] = [
  {
    name: "unit",
    globs: ["packages/*/src/**/*.test.ts", "tools/**/*.test.ts"],
    concurrency: 2,
    files: "together",
    needs: [],
    images: [],
    timeoutMs: 180_000,
  },
  {
    name: "crash",
    globs: ["tests/crash/**/*.test.ts"],
    concurrency: 2,
    files: "apart",
    needs: [],
    images: [],
    timeoutMs: 300_000,
  },
  heavy("conformance"),
  heavy("integration", { images: quickImages, except: controllers }),
  // Real API servers and the controllers of Cluster API: they wait for each other more than they compute, so several files share the processors.
  heavy("controllers", {
    globs: ["tests/integration/capmvm-{plane,pool}*.test.ts", ...controllers],
    concurrency: 3,
    timeoutMs: 900_000,
  }),
  heavy("e2e", { images: bootedImages, except: clusters, timeoutMs: 900_000 }),
  heavy("clusters", { globs: clusters, images: bootedImages, timeoutMs: 45 * 60_000, onlyWhenNamed: true }),
  heavy("metal"),
  // Clusters that take an hour or more memory than a small machine has: `npm run test:long`.
  heavy("long", { images: longImages, timeoutMs: 3 * 3_600_000, onlyWhenNamed: true }),
  // Everything cold: the kernel from source, every Kubernetes version. Hours, not minutes.
  heavy("images", { needs: [...system, "kernel"], timeoutMs: 3 * 3_600_000, onlyWhenNamed: true }),
];

function heavy(name: string, options: Partial<Omit<Tier, "name" | "files">> = {}): Tier {
  return {
    name,
    globs: [`tests/${name}/**/*.test.ts`],
    concurrency: 1,
    files: "apart",
    needs: system,
    images: [],
    timeoutMs: 300_000,
    ...options,
  };
}
