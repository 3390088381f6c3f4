// Brings the third-party protos into proto/third_party, from the npm packages that carry them; with --check, says whether they still match.
// buf's own registry is not asked, so that everything works offline.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type DescEnum, type DescExtension, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { file_buf_validate_validate } from "../node_modules/@bufbuild/protovalidate/dist/esm/gen/buf/validate/validate_pb.js";

const target = "proto/third_party";
const copies = {
  "google/rpc/error_details.proto": "google-gax/build/protos/google/rpc/error_details.proto",
  "google/rpc/status.proto": "google-gax/build/protos/google/rpc/status.proto",
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto": "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto": "@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto",
};

const wanted: Record<string, string> = { "buf/validate/validate.proto": printValidate() };
for (const [path, source] of Object.entries(copies)) wanted[path] = readFileSync(join("node_modules", source), "utf8");

if (process.argv.includes("--check")) {
  const stale = Object.keys(wanted).filter((path) => readOrEmpty(join(target, path)) !== wanted[path]);
  for (const path of stale) console.error(`${join(target, path)} differs from its npm package; run "npm run vendor"`);
  process.exit(stale.length > 0 ? 1 : 0);
}
for (const [path, text] of Object.entries(wanted)) {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  writeFileSync(join(target, path), text);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // missing is the plainest way to differ
  }
}

// No package holds buf/validate/validate.proto as text, but the descriptor is in @bufbuild/protovalidate. Printed without comments and without
// the CEL of the rules themselves: what is imported here are the options' names and types; the rules run from the package's own descriptor.
function printValidate(): string {
  const file = file_buf_validate_validate;
  const imports = file.dependencies.map((dependency) => `import "${dependency.name}.proto";`);
  return [
    "// Printed from the descriptor in @bufbuild/protovalidate by scripts/vendor-protos.ts.",
    'syntax = "proto2";',
    "",
    `package ${file.proto.package};`,
    "",
    ...imports,
    "",
    ...file.extensions.map(printExtension),
    ...file.messages.map((message) => printMessage(message, "")),
    ...file.enums.map((declared) => printEnum(declared, "")),
  ].join("\n");
}

function printMessage(message: DescMessage, indent: string): string {
  const inner = `${indent}  `;
  const ranges = message.proto.extensionRange.map((r) => `${inner}extensions ${r.start} to ${(r.end ?? 1) > 536870000 ? "max" : (r.end ?? 1) - 1};`);
  const reserved = message.proto.reservedRange.map((r) => `${inner}reserved ${r.start} to ${(r.end ?? 1) - 1};`);
  const reservedNames = message.proto.reservedName.map((name) => `${inner}reserved "${name}";`);
  const members = message.members.map((member) =>
    member.kind === "oneof"
      ? [`${inner}oneof ${member.name} {`, ...member.fields.map((f) => printField(f, `${inner}  `, "")), `${inner}}`].join("\n")
      : printField(member, inner, label(member)),
  );
  return [
    `${indent}message ${message.name} {`,
    ...message.nestedEnums.map((nested) => printEnum(nested, inner)),
    ...message.nestedMessages.filter((nested) => !nested.proto.options?.mapEntry).map((nested) => printMessage(nested, inner)),
    ...members,
    ...ranges,
    ...reserved,
    ...reservedNames,
    `${indent}}`,
    "",
  ].join("\n");
}

function printEnum(declared: DescEnum, indent: string): string {
  const alias = declared.proto.options?.allowAlias ? [`${indent}  option allow_alias = true;`] : [];
  const values = declared.values.map((value) => `${indent}  ${value.name} = ${value.number};`);
  return [`${indent}enum ${declared.name} {`, ...alias, ...values, `${indent}}`, ""].join("\n");
}

function printExtension(extension: DescExtension): string {
  return [`extend ${extension.extendee.typeName} {`, printField(extension, "  ", label(extension)), "}", ""].join("\n");
}

function printField(field: DescField | DescExtension, indent: string, prefix: string): string {
  return `${indent}${prefix}${typeOf(field)} ${field.name} = ${field.number};`;
}

function label(field: DescField | DescExtension): string {
  if (field.fieldKind === "map") return "";
  return field.fieldKind === "list" ? "repeated " : "optional ";
}

function typeOf(field: DescField | DescExtension): string {
  if (field.message) return `.${field.message.typeName}`;
  if (field.enum) return `.${field.enum.typeName}`;
  return ScalarType[field.scalar ?? ScalarType.STRING].toLowerCase();
}
