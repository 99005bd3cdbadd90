/** The nouns of the command line. */

/** What the nouns are, for the help. */
export const nouns: Readonly<Record<string, string>> = {
  cluster: "Kubernetes clusters",
  vm: "MicroVMs",
  image: "Images",
  host: "The host",
  context: "Named hosts",
};
