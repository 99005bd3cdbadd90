/** Image builder: from packages to bootable OCI images. */
export type {
  BuildEvent,
  BuildEventStage,
  BuildPlan,
  BuildRequest,
  BuiltRecipe,
  PlannedLayerSummary,
  RecipeSummary,
} from "./build/build-request.ts";
export { buildRecipe, listRecipes, planBuild } from "./build/builder.ts";
export { defaultCacheDirectory } from "./cache/cache-folders.ts";
export {
  type CacheUsage,
  cacheUsage,
  listCache,
  type Pruned,
  type PruneRequest,
  pruneCache,
} from "./cache/eviction.ts";
export type { CacheEntry, CacheEntryKind } from "./cache/inventory.ts";
export { type GoLockRequest, type WrittenGoLock, writeGoLock } from "./go/lock-writing.ts";
export {
  compileLocked,
  type LockedCompileRequest,
  type LockedModule,
  type LockedPrograms,
  lockedModuleDirectory,
} from "./go/locked-programs.ts";
export { type GoToolchain, goToolchain, type ToolchainOptions } from "./go/toolchain.ts";
export { extractVmlinux } from "./kernel/bzimage.ts";
export { StoredLayout } from "./oci/stored-layout.ts";
export { type FetchLayoutOptions, fetchLayout } from "./outputs/fetched-layout.ts";
export {
  checkOutput,
  type Existing as ExistingOutput,
  type OutputTarget,
  parseOutputTarget,
} from "./outputs/output-target.ts";
export { defaultRegistryOptions, type OutputOptions, type WrittenOutput, writeOutput } from "./outputs/write-output.ts";
export type { RecipeParameter } from "./recipe-language/recipe-document.ts";
export type { Input, InputKind, Software } from "./steps/input.ts";
export type { Architecture, StepReport } from "./steps/step-kind.ts";
export {
  type VerifiedImage,
  type VerifiedManifest,
  type VerifyOptions,
  verifyImage,
} from "./supply-chain/image-verification.ts";
export { debianLicense } from "./supply-chain/license-expression.ts";
export {
  type ProvenanceSummary,
  readSupplyChain,
  type SbomPackage,
  type SbomSummary,
  type SupplyChainSummary,
} from "./supply-chain/stored-documents.ts";
export { toolPackages } from "./system-tool.ts";
