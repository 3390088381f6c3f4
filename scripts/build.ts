// npm run build: three bundles in dist/lib, what the licenses in them ask for, and before the two that people type a launcher that any Node can read.
//   node scripts/build.ts [directory instead of dist] [--failpoints]
import { chmodSync, copyFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { leanFlags } from "../src/host/lean-flags.ts";
import { thirdPartyLicenses } from "./third-party-licenses.ts";

const entries = { pmd: "src/main.ts", "pm-pump": "src/pump/main.ts", pmctl: "cli/main.ts" };
const oldestNode = 24;
const dist = process.argv[2] ?? "dist";
/** Only tests want programs that can be told to die at a certain step. */
const failpoints = process.argv.includes("--failpoints");

rmSync(dist, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: entries,
  outdir: `${dist}/lib`,
  bundle: true,
  platform: "node",
  format: "esm",
  target: `node${oldestNode}`,
  // What is imported by need stays a file of its own, so that a verb does not pay for what it does not use.
  splitting: true,
  // Native, and optional.
  external: ["koffi"],
  // Packages in CommonJS call require, which a module does not have.
  banner: {
    js: 'import { createRequire as createRequireForPackages } from "node:module"; const require = createRequireForPackages(import.meta.url);',
  },
  // A failpoint that cannot be armed does nothing, and a call of what does nothing is left out.
  minifySyntax: true,
  define: failpoints ? {} : { "process.env.PMD_FAILPOINT": '""' },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
}).catch(() => process.exit(1)); // esbuild has said why
copyFileSync("src/host/shim.sh", `${dist}/lib/shim.sh`);
writeFileSync(`${dist}/THIRD_PARTY_LICENSES`, thirdPartyLicenses(Object.keys(metafile.inputs)));
for (const name of ["pmd", "pmctl"]) writeLauncher(name);
writeShellLauncher("pmd");

for (const name of Object.keys(entries)) {
  const { size } = statSync(`${dist}/lib/${name}.js`);
  console.log(`${dist}/lib/${name}.js  ${Math.round(size / 1024)} KiB`);
}

/** Says which Node it needs instead of failing on the syntax of the bundle; therefore in a language that every Node with modules speaks. */
function writeLauncher(name: string): void {
  writeProgram(
    `${name}.js`,
    `#!/usr/bin/env node
if (Number(process.versions.node.split(".")[0]) < ${oldestNode}) {
  console.error("${name} needs Node.js ${oldestNode} or newer; this is " + process.version + " (" + process.execPath + ")");
  process.exit(2);
}
import("./lib/${name}.js");
`,
  );
}

/**
 * pmd needs flags that Node takes on its command line alone: they halve its memory. An older Node gets none, for it would complain of them before
 * it comes to say which Node is needed. What the starter had open is not pmd's to hold: a shell can close what has one digit.
 */
function writeShellLauncher(name: string): void {
  writeProgram(
    name,
    `#!/bin/sh
flags= version=$(node --version)
major=\${version%%.*}
[ "\${major#v}" -ge ${oldestNode} ] 2>/dev/null && flags='${leanFlags.join(" ")}'
exec node $flags "$(dirname "$(readlink -f "$0")")/${name}.js" "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
`,
  );
}

function writeProgram(name: string, content: string): void {
  writeFileSync(`${dist}/${name}`, content);
  chmodSync(`${dist}/${name}`, 0o755);
}
