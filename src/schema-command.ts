import schema from "../proto/manifest.schema.json" with { type: "json" };

const exitUsage = 2;

const help = `pmd schema prints the JSON Schema of files of services: editors complete, explain and check with it.

Usage: pmd schema > FILE

A file of services names it in its first line:
  # yaml-language-server: $schema=FILE
`;

export function runSchema(argv: readonly string[]): void {
  const [word] = argv;
  if (word === undefined) process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  else if (word === "--help" || word === "-h") process.stdout.write(help);
  else {
    process.stderr.write(`pmd schema: ${word}: it takes no arguments\nTry "pmd schema --help".\n`);
    process.exitCode = exitUsage;
  }
}
