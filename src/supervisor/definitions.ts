import { createHash } from "node:crypto";
import { serviceKey } from "../core/names.ts";
import { type Plan, type PlanOptions, planChanges } from "../core/plan.ts";
import { invalidFields, PmError, planStale, revisionNotFound, serviceNotFound } from "../errors.ts";
import type { Wait } from "./outcome.ts";
import type { NewService } from "./services.ts";
import type { StoredRevision } from "./store.ts";
import type { ServiceOutcome, Supervisor } from "./supervisor.ts";
import type { TargetView } from "./view.ts";

/** What a file asks for. */
export interface Definition {
  /** Its path, which is the owner of its services. */
  readonly source: string;
  readonly services: readonly NewService[];
}

/** Which file, and what it says if that is known already. */
export interface DefinitionFile {
  readonly path: string;
  readonly text?: string;
}

/** Reads a file, or throws an error that says all that is wrong with it. */
export type ReadDefinition = (file: DefinitionFile) => Promise<Definition>;

export interface ApplyOptions extends PlanOptions {
  /** Only these of its services; all when empty. */
  readonly names: readonly string[];
}

export interface NamedPlan extends Plan {
  /** Another plan, or the same one after services have changed, has another. */
  readonly fingerprint: string;
}

/** The file that pmd was started with. */
export interface OwnFile {
  readonly path: string;
  /** When it was last found valid. */
  readonly readAt?: number;
  /** What was wrong with it when it was last read. */
  readonly problems: readonly string[];
}

export interface DefinitionsParts {
  readonly supervisor: Supervisor;
  readonly read: ReadDefinition;
  readonly wallTime: () => number;
  readonly own: OwnFile;
}

/** What files say of services: looked at, compared with what is, and made so. */
export class Definitions {
  readonly #supervisor: Supervisor;
  readonly #read: ReadDefinition;
  readonly #wallTime: () => number;
  #own: OwnFile;

  constructor({ supervisor, read, wallTime, own }: DefinitionsParts) {
    this.#supervisor = supervisor;
    this.#read = read;
    this.#wallTime = wallTime;
    this.#own = own;
    if (own.problems.length > 0) supervisor.services.tellFileProblem(own.path, summary(own.problems));
  }

  get own(): OwnFile {
    return this.#own;
  }

  async check(file: DefinitionFile): Promise<Definition> {
    return this.#read(this.#named(file));
  }

  async plan(file: DefinitionFile, options: ApplyOptions): Promise<NamedPlan> {
    return this.#planOf(await this.check(file), options);
  }

  /** Another fingerprint than that of the plan is refused. */
  async apply(
    file: DefinitionFile,
    { fingerprint, ...options }: ApplyOptions & { readonly fingerprint?: string },
    wait: Wait,
    signal: AbortSignal,
  ): Promise<{ plan: NamedPlan; results: TargetView[] }> {
    const definition = await this.#readToApply(this.#named(file));
    const plan = this.#planOf(definition, options);
    if (fingerprint !== undefined && fingerprint !== plan.fingerprint) throw planStale(fingerprint, plan.fingerprint);
    return { plan, results: await this.#supervisor.apply(plan, wait, signal) };
  }

  revisions(name: string): StoredRevision[] {
    return this.#supervisor.services.revisions(name);
  }

  /** Generation 0 is the one before the present one. */
  rollback(name: string, generation: number, wait: Wait, signal: AbortSignal): Promise<ServiceOutcome> {
    const { services } = this.#supervisor;
    const revisions = services.revisions(name);
    const wanted = generation === 0 ? revisions[1] : revisions.find((revision) => revision.generation === generation);
    const { shownName } = services.get(name);
    if (!wanted)
      throw revisionNotFound(
        shownName,
        generation,
        revisions.map((revision) => revision.generation),
      );
    const how = { leaveRunning: false, force: true, origin: `rollback to ${wanted.generation}` };
    return this.#supervisor.update(name, wanted.spec, how, wait, signal);
  }

  /** What is wrong with the file is told of all that it defines, until it is right again. What a client has sent says nothing about the file. */
  async #readToApply(file: DefinitionFile): Promise<Definition> {
    try {
      const definition = await this.#read(file);
      if (file.text === undefined) this.#note(file.path, []);
      return definition;
    } catch (error) {
      if (file.text === undefined && error instanceof PmError) this.#note(file.path, problemsOf(error));
      throw error;
    }
  }

  #note(path: string, problems: readonly string[]): void {
    this.#supervisor.services.tellFileProblem(path, problems.length === 0 ? undefined : summary(problems));
    if (path !== this.#own.path) return;
    this.#own = problems.length === 0 ? { path, readAt: this.#wallTime(), problems } : { ...this.#own, problems };
  }

  #named({ path, text }: DefinitionFile): DefinitionFile {
    if (path === "" && this.#own.path === "") {
      throw invalidFields([{ field: "file.path", message: "say which file: pmd was started without one" }]);
    }
    return { path: path || this.#own.path, ...(text !== undefined && { text }) };
  }

  #planOf({ source, services }: Definition, { names, ...options }: ApplyOptions): NamedPlan {
    const unknown = names.find((name) => !services.some((service) => service.name === name));
    if (unknown !== undefined) throw serviceNotFound(unknown, []);
    const isMeant = (name: string) => names.length === 0 || names.includes(name);
    const wanted = services.filter(({ name }) => isMeant(name)).map(({ namespace, name, spec }) => ({ key: serviceKey(namespace, name), spec }));
    const present = this.#supervisor.services
      .sorted()
      .filter(({ name }) => isMeant(name))
      .map((service) => ({ ...service.stored, key: service.key, stale: service.instances.some(({ stale }) => stale) }));
    const plan = planChanges(source, wanted, present, options);
    return { ...plan, fingerprint: createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16) };
  }
}

/** As the loader says it: place, and what is wrong there. */
export function problemsOf({ violations, message }: PmError): string[] {
  if (violations.length === 0) return [message];
  return violations.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`));
}

function summary([first = "", ...others]: readonly string[]): string {
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return `its file is not valid, and what it said before holds: ${first}${more}`;
}
