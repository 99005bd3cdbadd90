/** Short licence names of Debian copyright files (DEP-5, lower case) to the identifiers of the SPDX licence list, where both mean the same. */

function gnu(family: string, versions: readonly string[]): [string, string][] {
  return versions.flatMap((version) => {
    const spdx = `${family}-${version.includes(".") ? version : `${version}.0`}`;
    const names = version.includes(".") ? [version] : [version, `${version}.0`];
    return names.flatMap((name): [string, string][] => {
      const debian = `${family}-${name}`.toLowerCase();
      return [
        [debian, `${spdx}-only`],
        [`${debian}-only`, `${spdx}-only`],
        [`${debian}+`, `${spdx}-or-later`],
        [`${debian}-or-later`, `${spdx}-or-later`],
      ];
    });
  });
}

export const debianLicenseNames: Readonly<Record<string, string>> = Object.fromEntries<string>([
  ...gnu("GPL", ["1", "2", "3"]),
  ...gnu("LGPL", ["2", "2.1", "3"]),
  ...gnu("AGPL", ["3"]),
  ...gnu("GFDL", ["1.1", "1.2", "1.3"]),
  ["afl-2.1", "AFL-2.1"],
  ["apache-2", "Apache-2.0"],
  ["apache-2.0", "Apache-2.0"],
  // Debian's common-licenses/Artistic is Perl's.
  ["artistic", "Artistic-1.0-Perl"],
  ["artistic-2.0", "Artistic-2.0"],
  ["bsd-2-clause", "BSD-2-Clause"],
  ["bsd-3-clause", "BSD-3-Clause"],
  ["bsd-4-clause", "BSD-4-Clause"],
  ["bsl-1.0", "BSL-1.0"],
  ["cc0-1.0", "CC0-1.0"],
  ["cc0", "CC0-1.0"],
  ["cc-by-3.0", "CC-BY-3.0"],
  ["cc-by-4.0", "CC-BY-4.0"],
  ["cc-by-sa-3.0", "CC-BY-SA-3.0"],
  ["cc-by-sa-4.0", "CC-BY-SA-4.0"],
  ["beerware", "Beerware"],
  ["bzip2-1.0.6", "bzip2-1.0.6"],
  ["curl", "curl"],
  ["expat", "MIT"],
  ["fsfap", "FSFAP"],
  ["fsful", "FSFUL"],
  ["fsfullr", "FSFULLR"],
  ["gfdl-niv-1.2+", "GFDL-1.2-no-invariants-or-later"],
  ["gfdl-niv-1.3", "GFDL-1.3-no-invariants-only"],
  ["gfdl-niv-1.3+", "GFDL-1.3-no-invariants-or-later"],
  ["isc", "ISC"],
  ["mit", "MIT"],
  ["mpl-1.1", "MPL-1.1"],
  ["mpl-2.0", "MPL-2.0"],
  ["ofl-1.1", "OFL-1.1"],
  ["openssl", "OpenSSL"],
  ["psf-2", "PSF-2.0"],
  ["unicode-dfs-2016", "Unicode-DFS-2016"],
  ["unlicense", "Unlicense"],
  ["x11", "X11"],
  ["zlib", "Zlib"],
]);
