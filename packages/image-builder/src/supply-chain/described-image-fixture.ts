/** An image of every kind of input, for tests. */
import type { DescribedImage } from "./described-image.ts";

export const sha = (digit: string): string => `sha256:${digit.repeat(64)}`;
const h1 = `h1:${Buffer.alloc(32, 7).toString("base64")}`;

export const describedImage: DescribedImage = {
  reference: "liquidmetal.local/node/kubernetes:v1.36.3-0a1b2c3d",
  version: "v1.36.3",
  architecture: "amd64",
  dateSeconds: 1_700_000_000,
  manifestDigest: sha("a"),
  recipe: { name: "node/kubernetes", digest: sha("b") },
  parameters: { version: "v1.36.3", cni: "bridge" },
  licenses: "Apache-2.0",
  layers: [
    { name: "root", digest: sha("c") },
    { name: "go", digest: sha("d") },
  ],
  software: [
    {
      name: "zlib1g",
      version: "1:1.2.13.dfsg-1",
      purl: "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64",
      source: "zlib",
      digest: sha("1"),
    },
    {
      name: "bash",
      version: "5.2.15-2+b7",
      purl: "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64",
      license: "GPL-3.0-or-later AND LicenseRef-debian-Latex2e",
      digest: sha("2"),
    },
    { name: "k8s.io/kubernetes", version: "v1.36.3", purl: "pkg:golang/k8s.io/kubernetes@v1.36.3", digest: h1 },
    { name: "odd", version: "1", purl: "pkg:generic/odd@1", license: "GPL v2 and more, (mostly" },
  ],
  inputs: [
    {
      kind: "debian-package",
      name: "bash",
      version: "5.2.15-2+b7",
      digest: sha("2"),
      purl: "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64",
    },
    {
      kind: "debian-package",
      name: "linux-source-6.1",
      version: "6.1.1-1",
      digest: sha("3"),
      purl: "pkg:deb/debian/linux-source-6.1@6.1.1-1?arch=all",
    },
    {
      kind: "go-module",
      name: "k8s.io/kubernetes",
      version: "v1.36.3",
      digest: h1,
      purl: "pkg:golang/k8s.io/kubernetes@v1.36.3",
    },
    { kind: "file", name: "files/motd", digest: sha("4") },
    { kind: "archive", name: "https://user:secret@mirror.example/a.tar.gz", digest: sha("5") },
    { kind: "image", name: "liquidmetal.local/node/containers/pause", version: "3.10", digest: sha("6") },
    { kind: "tool", name: "go", version: "go1.26.0", digest: sha("7") },
  ],
};
