// Writes proto/manifest.schema.json, which editors read: what may stand in a file of services, from the protos and their comments.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, type EnumDescriptorProto, type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { manifestJsonSchema } from "../src/config/json-schema.ts";
import { environment } from "./run-steps.ts";

export const schemaPath = "proto/manifest.schema.json";

if (import.meta.main) writeFileSync(schemaPath, schemaText());

export function schemaText(): string {
  const build = spawnSync("buf", ["build", "--output", "-"], { env: environment(), maxBuffer: 64 * 1024 * 1024 });
  if (build.status !== 0) throw new Error(`buf build ended with ${build.status}: ${build.stderr}`, { cause: build.error });
  const { file } = fromBinary(FileDescriptorSetSchema, build.stdout);
  return `${JSON.stringify(manifestJsonSchema(new Map(file.flatMap(commentsIn))), null, 2)}\n`;
}

/** The comments before messages, fields, enums and their values, by full name. A place in a file is a path of field numbers and indices. */
function commentsIn({ package: packageName, messageType, enumType, sourceCodeInfo }: FileDescriptorProto): [string, string][] {
  const byPath = new Map((sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join(), leadingComments]));
  return [
    ...messageType.flatMap((message, index) => ofMessage(message, packageName, [4, index])),
    ...enumType.flatMap((type, index) => ofEnum(type, packageName, [5, index])),
  ];

  function ofMessage({ name, field, nestedType, enumType }: DescriptorProto, parent: string, path: number[]): [string, string][] {
    const fullName = `${parent}.${name}`;
    return [
      ...at(fullName, path),
      ...field.flatMap(({ name }, index) => at(`${fullName}.${name}`, [...path, 2, index])),
      ...nestedType.flatMap((message, index) => ofMessage(message, fullName, [...path, 3, index])),
      ...enumType.flatMap((type, index) => ofEnum(type, fullName, [...path, 4, index])),
    ];
  }

  function ofEnum({ name, value }: EnumDescriptorProto, parent: string, path: number[]): [string, string][] {
    const fullName = `${parent}.${name}`;
    return [...at(fullName, path), ...value.flatMap(({ name }, index) => at(`${fullName}.${name}`, [...path, 2, index]))];
  }

  function at(name: string, path: number[]): [string, string][] {
    const comment = byPath.get(path.join());
    return comment ? [[name, comment.trim().replace(/\s+/g, " ")]] : [];
  }
}
