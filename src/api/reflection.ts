import { createRegistry, type DescFile, type DescService, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { ServerReflection as V1, type ServerReflectionRequest as V1Request } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha, type ServerReflectionRequest as V1AlphaRequest } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";

// Tells clients what there is to call, so that `buf curl` and its like need no proto files. The two versions of the protocol differ in their
// names alone, so one answer serves both.

/** Serves reflection on these services and on itself. */
export function reflectionRoutes(router: ConnectRouter, services: readonly DescService[]): void {
  const index = createIndex([...services, V1, V1Alpha]);
  router.service(V1, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) yield answer(index, request);
    },
  });
  router.service(V1Alpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) yield answer(index, request);
    },
  });
}

interface Index {
  readonly services: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  readonly symbols: Registry;
}

function createIndex(services: readonly DescService[]): Index {
  const files = new Map<string, DescFile>();
  for (const { file } of services) addFile(files, file);
  // No service imports it: errors carry its messages in an Any.
  addFile(files, file_google_rpc_error_details);
  return { services: services.map(({ typeName }) => typeName).sort(), files, symbols: createRegistry(...files.values()) };
}

function addFile(files: Map<string, DescFile>, file: DescFile): void {
  if (files.has(nameOf(file))) return;
  files.set(nameOf(file), file);
  for (const dependency of file.dependencies) addFile(files, dependency);
}

/** A DescFile's own name lacks the `.proto`. */
function nameOf(file: DescFile): string {
  return `${file.name}.proto`;
}

type Request = V1Request | V1AlphaRequest;

type Answer =
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array<ArrayBuffer>[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "errorResponse"; value: { errorCode: Code; errorMessage: string } };

function answer<R extends Request>(index: Index, request: R) {
  return { validHost: request.host, originalRequest: request, messageResponse: respond(index, request.messageRequest) };
}

function respond(index: Index, asked: Request["messageRequest"]): Answer {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case "fileByFilename":
      return fileResponse(index.files.get(asked.value), `no file is named ${asked.value}`);
    case "fileContainingSymbol":
      return fileResponse(findFile(index.symbols, asked.value), `no file contains ${asked.value}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const extension = extensionsOf(index.symbols, containingType).find(({ number }) => number === extensionNumber);
      return fileResponse(extension?.file, `${containingType} has no extension ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      if (index.symbols.getMessage(asked.value) === undefined) return errorResponse(Code.NotFound, `no message is named ${asked.value}`);
      const extensionNumber = extensionsOf(index.symbols, asked.value).map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber } };
    }
    case undefined:
      return errorResponse(Code.InvalidArgument, "the request asks for nothing that this version of reflection knows");
  }
}

/** The file of a type, a service, or something within one: a method, a field, a value. */
function findFile(symbols: Registry, symbol: string): DescFile | undefined {
  const found = symbols.get(symbol);
  if (found) return found.file;
  const dot = symbol.lastIndexOf(".");
  const parent = symbols.get(symbol.slice(0, dot));
  return parent && hasMember(parent, symbol.slice(dot + 1)) ? parent.file : undefined;
}

function hasMember(parent: NonNullable<ReturnType<Registry["get"]>>, name: string): boolean {
  switch (parent.kind) {
    case "message":
      return [...parent.fields, ...parent.oneofs].some((member) => member.name === name);
    case "enum":
      return parent.values.some((member) => member.name === name);
    case "service":
      return parent.methods.some((member) => member.name === name);
    case "extension":
      return false;
  }
}

function extensionsOf(symbols: Registry, typeName: string) {
  return [...symbols].filter((type) => type.kind === "extension").filter(({ extendee }) => extendee.typeName === typeName);
}

/** A client asks for what the file imports when it needs it. */
function fileResponse(file: DescFile | undefined, otherwise: string): Answer {
  if (!file) return errorResponse(Code.NotFound, otherwise);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [toBinary(FileDescriptorProtoSchema, file.proto)] } };
}

function errorResponse(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
