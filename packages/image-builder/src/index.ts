/** Image builder: from packages to bootable OCI images. */
export { type BuildOptions, type BuiltImage, buildImage } from "./image-build.ts";
export { type CachedImage, defaultCacheDirectory, ImageCache, type ImageRecord } from "./image-cache.ts";
export { extractVmlinux } from "./kernel/bzimage.ts";
export type { BuildProgress, BuildStage, OnProgress } from "./progress.ts";
export { type BuiltKernelImage, buildQuickstartImages, type QuickstartImages } from "./quickstart.ts";
export type { Architecture, AssembleContext, AssembledImage, Recipe } from "./recipe.ts";
export { baseTiny } from "./recipes/base-tiny.ts";
export { kernelDistro } from "./recipes/kernel-distro.ts";
export { toolPackages } from "./system-tool.ts";
