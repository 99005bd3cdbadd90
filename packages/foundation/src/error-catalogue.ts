/**
 * Every failure that a user can meet, by code.
 *
 * `kind` decides the status on each wire (gRPC, HTTP, exit code: one table each, in the package that speaks it);
 * `retry` is what the reconcile loop does by default; `remedy` is printed after the message. `docs/errors.md` is generated from this table.
 */
import type { ErrorCode } from "./error-code.ts";

export type ErrorKind =
  | "invalid"
  | "not-found"
  | "conflict"
  | "exhausted"
  | "precondition"
  | "unsupported"
  | "unauthenticated"
  | "unavailable"
  | "deadline"
  | "cancelled"
  | "internal";

/**
 * What to do with a failed step. `never`: the same input fails for ever. `backoff`: try again later, capped and jittered.
 * `after-change`: wait until the spec, the host's capacity or the user's word changes (a slow retry still happens).
 */
export type RetryPolicy = "never" | "backoff" | "after-change";

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly retry: RetryPolicy;
  readonly summary: string;
  readonly remedy: string;
}

const entry = (kind: ErrorKind, retry: RetryPolicy, summary: string, remedy: string): ErrorEntry => ({
  kind,
  retry,
  summary,
  remedy,
});

export const errorCatalogue: Readonly<Record<ErrorCode, ErrorEntry>> = {
  SPEC_INVALID: entry("invalid", "never", "the microVM spec breaks a rule", "correct the fields named in the message"),
  REQUEST_INVALID: entry("invalid", "never", "the request breaks a rule", "correct the fields named in the message"),
  CONFIG_INVALID: entry("invalid", "never", "the configuration breaks a rule", "correct the keys named in the message"),
  MICROVM_NOT_FOUND: entry("not-found", "never", "no microVM has this uid", "list the microVMs with 'lm vm list'"),
  MICROVM_EXISTS: entry(
    "conflict",
    "never",
    "a microVM of this namespace and id exists with another spec",
    "delete it first, or choose another id",
  ),
  MICROVM_DELETING: entry(
    "conflict",
    "backoff",
    "the microVM is being deleted",
    "wait until it is gone, then create it again",
  ),
  PHASE_CONFLICT: entry(
    "precondition",
    "never",
    "the microVM is not in a phase that allows this",
    "look at it with 'lm vm describe'",
  ),
  CAPACITY_EXCEEDED: entry(
    "exhausted",
    "after-change",
    "the host has not enough free vCPU or memory",
    "delete or stop other microVMs, ask for less, or raise the over-commit factors",
  ),
  DISK_FULL: entry(
    "exhausted",
    "after-change",
    "the volume would fill the host's disk",
    "remove unused images or microVMs, or grow the disk",
  ),
  QUEUE_FULL: entry("exhausted", "backoff", "too many requests are waiting", "try again in a moment"),
  PROVIDER_UNKNOWN: entry(
    "invalid",
    "never",
    "no such hypervisor on this host",
    "see 'lm host get' for the hypervisors of this host",
  ),
  CAPABILITY_MISSING: entry(
    "unsupported",
    "never",
    "the hypervisor or host cannot do this",
    "see 'lm host get' for capabilities and 'lm doctor' for remedies",
  ),
  IMAGE_REFERENCE_INVALID: entry(
    "invalid",
    "never",
    "this is not an image reference",
    "write it as registry/name:tag or registry/name@sha256:…",
  ),
  IMAGE_NOT_FOUND: entry(
    "not-found",
    "after-change",
    "the image is neither on this host nor in its registry",
    "import it with 'lm image import', or check its name",
  ),
  IMAGE_UNAUTHORIZED: entry(
    "unauthenticated",
    "after-change",
    "the registry refuses access",
    "check the credentials for this registry",
  ),
  IMAGE_PULL_FAILED: entry(
    "unavailable",
    "backoff",
    "the image could not be pulled",
    "check that the registry can be reached from this host",
  ),
  IMAGE_PUSH_FAILED: entry(
    "unavailable",
    "backoff",
    "the image could not be pushed",
    "check that the registry can be reached and takes pushes to this repository; a rerun sends only what is missing",
  ),
  IMAGE_CORRUPT: entry(
    "invalid",
    "after-change",
    "the image's content is not what its digest says, or no image at all",
    "build or push the image again",
  ),
  IMAGE_WRONG_PLATFORM: entry(
    "unsupported",
    "after-change",
    "the image is for another processor or system",
    "use an image built for this host's platform",
  ),
  IMAGE_FILE_MISSING: entry(
    "not-found",
    "after-change",
    "the image has no such file",
    "set the kernel or initrd filename to a path inside the image",
  ),
  IMAGE_IN_USE: entry(
    "precondition",
    "never",
    "microVMs use this image",
    "delete the microVMs named in the message first",
  ),
  IMAGE_BUILD_FAILED: entry(
    "internal",
    "backoff",
    "the image could not be built",
    "read the message: it names the step and what the tool said; a rerun starts from the cache",
  ),
  IMAGE_INPUT_MISMATCH: entry(
    "invalid",
    "after-change",
    "something that an image is made of is not what its digest says",
    "do not use it: find out who changed it, remove the copy that the message names, and build again",
  ),
  RECIPE_INVALID: entry(
    "invalid",
    "never",
    "the image recipe breaks a rule",
    "correct the lines named in the message; docs/images.md says how a recipe is written",
  ),
  RECIPE_NOT_FOUND: entry(
    "not-found",
    "never",
    "there is no such image recipe",
    "see 'lm image recipes' for the shipped ones, or name a YAML file with its path",
  ),
  TOOL_MISSING: entry(
    "precondition",
    "after-change",
    "a program that this needs is not installed",
    "install the package that the message names",
  ),
  CONTAINERD_UNAVAILABLE: entry(
    "unavailable",
    "backoff",
    "containerd does not answer",
    "start containerd, or look at its log",
  ),
  VOLUME_FAILED: entry("internal", "backoff", "the volume could not be made", "look at the agent's log"),
  KERNEL_INVALID: entry(
    "invalid",
    "after-change",
    "this file is not a kernel that the hypervisor can boot",
    "use an ELF vmlinux or a bzImage",
  ),
  NETWORK_FAILED: entry(
    "internal",
    "backoff",
    "the network device could not be made",
    "look at 'lm doctor' and the agent's log",
  ),
  NETWORK_DEVICE_TAKEN: entry(
    "conflict",
    "backoff",
    "a network device of this name belongs to someone else",
    "remove that device, or change its name",
  ),
  BRIDGE_MISSING: entry(
    "precondition",
    "after-change",
    "the bridge or parent interface does not exist",
    "create it, or name another one",
  ),
  ADDRESS_EXHAUSTED: entry(
    "exhausted",
    "after-change",
    "the network has no free address",
    "delete microVMs, or use a larger subnet",
  ),
  ADDRESS_TAKEN: entry("conflict", "after-change", "another microVM has this address", "choose another address"),
  METADATA_INVALID: entry(
    "invalid",
    "never",
    "the metadata cannot be read",
    "send base64 text, and YAML where cloud-init wants YAML",
  ),
  HYPERVISOR_UNAVAILABLE: entry(
    "unavailable",
    "backoff",
    "the hypervisor's program cannot be run",
    "install it, or name its path in the configuration",
  ),
  HYPERVISOR_FAILED: entry(
    "internal",
    "backoff",
    "the hypervisor failed",
    "look at the microVM's log with 'lm vm logs --vmm'",
  ),
  HYPERVISOR_TIMEOUT: entry(
    "deadline",
    "backoff",
    "the hypervisor did not answer in time",
    "look at 'lm vm logs'; it is tried again",
  ),
  GUEST_FAILED: entry("internal", "backoff", "the guest stopped by itself", "look at its console with 'lm vm logs'"),
  SPAWNER_UNAVAILABLE: entry("unavailable", "backoff", "the spawner process is gone", "it is started again by itself"),
  PROCESS_FAILED: entry(
    "internal",
    "backoff",
    "a program could not be started",
    "check that the program named in the message is installed and may be run",
  ),
  PROCESS_UNVERIFIED: entry(
    "precondition",
    "backoff",
    "a process could not be proven to be ours",
    "look at the process named in the message",
  ),
  STATE_TOO_NEW: entry(
    "precondition",
    "never",
    "the state directory was written by a newer version",
    "run that version or a newer one",
  ),
  STATE_CORRUPT: entry(
    "internal",
    "never",
    "the state directory cannot be read",
    "restore it from a backup; nothing was changed",
  ),
  STATE_LOCKED: entry(
    "conflict",
    "never",
    "another agent uses this state directory",
    "stop it, or use another state directory",
  ),
  OBJECT_NOT_FOUND: entry(
    "not-found",
    "after-change",
    "the Kubernetes object is not there",
    "check its name, its namespace, and that its kind is installed",
  ),
  OBJECT_EXISTS: entry(
    "conflict",
    "backoff",
    "a Kubernetes object of this kind and name exists already",
    "delete it first, or choose another name",
  ),
  OBJECT_CONFLICT: entry(
    "conflict",
    "backoff",
    "the Kubernetes object was changed by someone else meanwhile",
    "read it again and repeat the change; controllers do so by themselves",
  ),
  OBJECT_INVALID: entry(
    "invalid",
    "after-change",
    "the API server refuses the Kubernetes object or request",
    "correct the fields named in the message",
  ),
  KUBERNETES_UNAVAILABLE: entry(
    "unavailable",
    "backoff",
    "the Kubernetes API server cannot be reached or is overloaded",
    "check that it runs, its address, and the network between; it is tried again",
  ),
  KUBERNETES_UNAUTHENTICATED: entry(
    "unauthenticated",
    "backoff",
    "the Kubernetes API server does not accept these credentials",
    "check the token, certificate or credential plugin that the kubeconfig names",
  ),
  KUBERNETES_FORBIDDEN: entry(
    "unauthenticated",
    "backoff",
    "the Kubernetes API server does not allow this",
    "grant the right that the message names in a Role or ClusterRole",
  ),
  KUBECONFIG_INVALID: entry(
    "invalid",
    "after-change",
    "the kubeconfig cannot be used",
    "correct the file and the field named in the message",
  ),
  LEADERSHIP_LOST: entry(
    "precondition",
    "never",
    "another instance leads now, or the lease could not be renewed in time",
    "nothing: the program ends and is started again; if it happens often, look at the way to the API server",
  ),
  POSITION_EXPIRED: entry(
    "precondition",
    "after-change",
    "events that old are no longer kept",
    "watch again with a snapshot, and go on from its position",
  ),
  WATCHER_TOO_SLOW: entry(
    "exhausted",
    "backoff",
    "the watcher read too slowly and was ended",
    "watch again from the last position received",
  ),
  HOST_UNREACHABLE: entry(
    "unavailable",
    "backoff",
    "a flintlock host cannot be reached",
    "check that flintlockd runs there, its address, and the network, proxy and certificates between",
  ),
  HOST_REFUSED: entry(
    "unauthenticated",
    "after-change",
    "a flintlock host refuses our token or certificate",
    "correct the secret that the message names, or the token that flintlockd was started with",
  ),
  HOST_ACCESS_INVALID: entry(
    "invalid",
    "after-change",
    "what is needed to reach a flintlock host is missing or malformed",
    "correct the secret and key that the message names",
  ),
  CREATE_UNCERTAIN: entry(
    "deadline",
    "backoff",
    "the host did not say whether it made the microVM",
    "list the microVMs of that name on the host before asking again",
  ),
  UNAUTHENTICATED: entry(
    "unauthenticated",
    "never",
    "the token or certificate is missing or wrong",
    "send 'authorization: Basic base64(token)' or 'Bearer token'",
  ),
  DEADLINE_EXCEEDED: entry(
    "deadline",
    "backoff",
    "it took too long",
    "try again; look at what it waits for with 'lm vm describe'",
  ),
  CANCELLED: entry("cancelled", "backoff", "the work was cancelled", "ask again if it is still wanted"),
  UNAVAILABLE: entry("unavailable", "backoff", "the service cannot be reached", "check that it runs, and its address"),
  INTERNAL: entry("internal", "backoff", "something failed that should not", "look at the agent's log and report it"),
};
