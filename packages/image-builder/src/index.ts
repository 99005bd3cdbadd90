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
export { type GoToolchain, goToolchain, type ToolchainOptions } from "./go/toolchain.ts";
export { type BuildOptions, type BuiltImage, buildImage } from "./image-build.ts";
export { type CachedImage, defaultCacheDirectory, ImageCache, type ImageRecord } from "./image-cache.ts";
export { extractVmlinux } from "./kernel/bzimage.ts";
export type { BuildProgress, BuildStage, OnProgress } from "./progress.ts";
export { type BuiltKernelImage, buildQuickstartImages, type QuickstartImages } from "./quickstart.ts";
export type { Architecture, AssembleContext, AssembledImage, Recipe } from "./recipe.ts";
export type { RecipeParameter } from "./recipe-language/recipe-document.ts";
export { baseTiny } from "./recipes/base-tiny.ts";
export { kernelDistro } from "./recipes/kernel-distro.ts";
export type { Input, InputKind, Software } from "./steps/input.ts";
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
