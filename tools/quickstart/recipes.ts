/** Which images the two ways of the quickstart are made of: the kernel first. */

export const clusterRecipes = ["kernel/distro", "node/kubernetes"] as const;
export const microVmRecipes = ["kernel/distro", "base/tiny"] as const;
