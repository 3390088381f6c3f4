import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { defaultNamespace } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { type ConvertedFile, convertFile, type FileContext, maxCommonValues, type Rules } from "./convert-file.ts";
import { findFiles } from "./find-files.ts";
import { findGraphViolations } from "./graph-violations.ts";
import { noInheritance } from "./inheritance.ts";
import { fullBudget } from "./interpolate.ts";
import { InvalidManifest } from "./invalid-manifest.ts";
import { type Problem, shownPosition, startOf } from "./located.ts";
import type { Place } from "./proto-json.ts";
import { readText } from "./read-text.ts";

// A file may include others, and a directory stands for the files in it: the services of all are one manifest. Each file is converted by itself
// (convert-file.ts); here they are found, bounded and put together, and what is wrong with any of them is told at once.

export type { Rules } from "./convert-file.ts";

/** What configuration files ask for. */
export interface LoadedManifest {
  /** The file, or the directory, that was asked for. */
  readonly path: string;
  /** All that were read, in this order. */
  readonly files: readonly string[];
  readonly namespace: string;
  readonly services: readonly LoadedService[];
}

export interface LoadedService {
  readonly name: string;
  readonly spec: ServiceSpec;
  /** The file that says it. */
  readonly file: string;
}

/** `environment` is where ${…} is looked up that the files do not say themselves. */
export async function loadManifest(path: string, rules: Rules, environment: NodeJS.ProcessEnv = process.env): Promise<LoadedManifest> {
  const asked = resolve(path);
  const files = findFiles(asked);
  const collection = new Collection(rules, environment);
  if (files.length === 1 && files[0] === asked) collection.add(readText(asked), asked);
  else collection.addAll(files);
  return collection.finish(asked);
}

/** The same from text; `file` is where it comes from, for messages and for what is relative to it. */
export async function readManifest(text: string, file: string, rules: Rules, environment: NodeJS.ProcessEnv = process.env): Promise<LoadedManifest> {
  const collection = new Collection(rules, environment);
  collection.add(text, file);
  return collection.finish(file);
}

/** A chain of files that include each other; the first was asked for. */
const maxDepth = 8;
const maxFiles = 100;
/** Of all files together; what one may have, read-text.ts says. */
const maxBytes = 16 * 1024 * 1024;
/** As the rules of the proto have it for one file. */
const maxServices = 10_000;

interface Origin {
  /** From the file that was asked for to the one that includes. */
  readonly chain: readonly string[];
  /** Where it is included; undefined for what was asked for. */
  readonly place: Place | undefined;
  readonly context: FileContext;
}

/** What has been read so far. */
class Collection {
  readonly #top: Origin;
  readonly #problems: Problem[] = [];
  readonly #files: string[] = [];
  /** By the real path, for a file may have several. */
  readonly #known = new Map<string, Place | undefined>();
  readonly #services = new Map<string, LoadedService & { readonly place: Place }>();
  readonly #converted: ConvertedFile[] = [];
  #namespace: ConvertedFile["namespace"];
  #bytes = 0;

  constructor(rules: Rules, environment: NodeJS.ProcessEnv) {
    const lookUp = (name: string) => (Object.hasOwn(environment, name) ? environment[name] : undefined);
    const variables = { lookUp, problems: this.#problems, budget: fullBudget() };
    this.#top = { chain: [], place: undefined, context: { rules, above: noInheritance, variables, common: { values: maxCommonValues } } };
  }

  add(text: string, file: string): void {
    this.#known.set(identityOf(file), undefined);
    this.#convert(text, file, this.#top);
  }

  addAll(files: readonly string[]): void {
    for (const file of files) this.#read(file, this.#top);
  }

  /** Throws all problems at once. */
  finish(path: string): LoadedManifest {
    const services = [...this.#services.values()];
    if (services.length > maxServices) {
      this.#report(startOf(path), `${services.length} services are too many for one manifest: it has at most ${maxServices}`);
    }
    this.#checkDependencies(services);
    if (this.#problems.length > 0) throw new InvalidManifest(this.#problems, [path, ...this.#files]);
    const namespace = this.#namespace?.name ?? defaultNamespace;
    return { path, files: this.#files, namespace, services: services.map(({ name, spec, file }) => ({ name, spec, file })) };
  }

  /** Names that no file has, ends that never come, and rounds, through all files. Of files that could not be read it is not known what they have. */
  #checkDependencies(services: readonly LoadedService[]): void {
    if (this.#converted.length < this.#files.length) return;
    const names = this.#converted.flatMap((file) => file.names);
    for (const { field, message } of findGraphViolations(services, names)) {
      const file = this.#converted.find((one) => one.names.some((name) => field.startsWith(`services[${JSON.stringify(name)}].`)));
      if (file) this.#report(file.placeIn(field), message);
    }
  }

  #include(path: string, origin: Origin & { readonly place: Place }): void {
    try {
      for (const file of findFiles(path)) this.#read(file, origin);
    } catch (error) {
      this.#report(origin.place, (error as Error).message);
    }
  }

  #read(file: string, origin: Origin): void {
    const place = origin.place ?? startOf(file);
    const refused = this.#whyNot(file, origin);
    if (refused) return this.#report(place, refused);
    this.#known.set(identityOf(file), place);
    let text: string;
    try {
      text = readText(file);
    } catch (error) {
      return this.#report(place, (error as Error).message);
    }
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes > maxBytes) return this.#report(place, `with ${file} the files have more than ${maxBytes} bytes together`);
    this.#convert(text, file, origin);
  }

  #whyNot(file: string, { chain }: Origin): string | undefined {
    const identity = identityOf(file);
    const names = [...chain, file].join(" → ");
    if (chain.some((other) => identityOf(other) === identity)) return `goes round in a circle: ${names}`;
    if (this.#known.has(identity)) {
      const place = this.#known.get(identity);
      return `${file} is read already${place ? `, because of ${shownPosition(place.at)}` : ""}: name it once`;
    }
    if (chain.length >= maxDepth) return `is deeper than ${maxDepth} files that include each other: ${names}`;
    return this.#known.size >= maxFiles ? `${file} is one too many: a manifest has at most ${maxFiles} files` : undefined;
  }

  #convert(text: string, file: string, { chain, context }: Origin): void {
    this.#files.push(file);
    const converted = convertFile(text, file, context);
    if (!converted) return;
    this.#converted.push(converted);
    const { services, namespace, includes, inheritance: above, lookUp } = converted;
    this.#agreeOn(namespace);
    for (const service of services) this.#addService({ ...service, file });
    const inner = { chain: [...chain, file], context: { ...context, above, variables: { ...context.variables, lookUp } } };
    for (const { path, place } of includes) this.#include(resolve(dirname(file), path), { ...inner, place });
  }

  #agreeOn(namespace: ConvertedFile["namespace"]): void {
    this.#namespace ??= namespace;
    if (!namespace || !this.#namespace || namespace.name === this.#namespace.name) return;
    const { name, place } = this.#namespace;
    this.#report(
      namespace.place,
      `is "${namespace.name}", and "${name}" in ${shownPosition(place.at)}: all files of a manifest are of one namespace`,
    );
  }

  #addService(service: LoadedService & { readonly place: Place }): void {
    const first = this.#services.get(service.name);
    if (first) return this.#report(service.place, `is there already, in ${shownPosition(first.place.at)}`);
    this.#services.set(service.name, service);
  }

  #report(place: Place, message: string): void {
    this.#problems.push({ ...place, message });
  }
}

function identityOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file; // who reads it will be told
  }
}
