import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What the licenses of the packages ask for whose code is in the bundles: who made it, and under which terms. */
export function thirdPartyLicenses(bundledFiles: readonly string[]): string {
  const files = Map.groupBy(bundledFiles, packageOf);
  const chapters = [...files].flatMap(([directory, inputs]) => (directory === undefined ? [] : [chapter(directory, inputs)])).sort();
  const head = "The programs in this directory contain code of these packages.\n";
  return [head, ...chapters, `Apache License 2.0, for those above that name it\n\n${readFileSync("LICENSE", "utf8")}`].join(
    `\n${"-".repeat(80)}\n\n`,
  );
}

/** The directory of the package that a file belongs to; none of our own. */
function packageOf(path: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
}

function chapter(directory: string, files: readonly string[]): string {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const texts = readdirSync(directory)
    .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    .map((file) => readFileSync(join(directory, file), "utf8").trim());
  // Some packages come without their license: then the heads of their files say whose they are.
  const said = texts.length > 0 ? texts : copyrightHeads(files);
  if (said.length === 0) throw new Error(`${name} is bundled, and nothing in it says whose it is`);
  return `${name} ${version}\nLicense: ${license}\n\n${said.join("\n\n")}\n`;
}

/** Each once. */
function copyrightHeads(files: readonly string[]): string[] {
  const heads = files.map((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(file, "utf8"))?.[0] ?? "");
  return [...new Set(heads)].filter((head) => head.includes("Copyright")).map((head) => head.replace(/^\/\/ ?/gm, "").trim());
}
