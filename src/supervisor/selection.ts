import { defaultNamespace, instanceKey, parseName } from "../core/names.ts";
import { findSimilar } from "../core/similar.ts";
import { hasWildcard, matchesWildcard } from "../core/wildcard.ts";
import { emptySelector, instanceNotFound, invalidFields, serviceNotFound } from "../errors.ts";
import type { Instance } from "./instance.ts";
import type { SupervisedService } from "./supervised-service.ts";
import type { StateWord } from "./view.ts";

export interface Selector {
  readonly names: readonly string[];
  /** Empty is the default one, `*` is every one. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly states: readonly StateWord[];
  readonly all: boolean;
  /** The file that must define them; absent or empty asks for none. */
  readonly source?: string;
}

/** A whole service, or one instance of it. */
export interface Target {
  readonly service: SupervisedService;
  readonly index?: number;
}

export function instancesOf({ service, index }: Target): Instance[] {
  if (index === undefined) return [...service.instances];
  const instance = service.instance(index);
  return instance ? [instance] : [];
}

/** Those that should run: a slot that is on its way out is not started again. */
export function wantedOf(target: Target): Instance[] {
  return instancesOf(target).filter(({ index }) => target.service.wants(index));
}

/** `default/web` or `default/web#1`. */
export function nameOf({ service, index }: Target): string {
  return index === undefined ? service.key : instanceKey(service.key, index);
}

export const everything: Selector = { names: [], namespace: "*", labels: {}, states: [], all: true };

/** For reads: an absent or empty selector is everything. */
export function selectForRead(selector: Selector | undefined, services: readonly SupervisedService[]): Target[] {
  return select(!selector || isEmpty(selector) ? { ...everything, namespace: selector?.namespace || "*" } : selector, services);
}

/** For verbs: an empty selector is refused, and so is a name that names nothing. */
export function select(selector: Selector, services: readonly SupervisedService[]): Target[] {
  if (isEmpty(selector)) throw emptySelector();
  const inNamespace = namespaceOf(selector);
  const named = selector.names.length > 0 ? selector.names.flatMap((name) => selectByName(name, selector, services)) : undefined;
  const candidates = named ?? services.filter((service) => matchesWildcard(inNamespace, service.namespace)).map((service) => ({ service }));
  return unique(candidates.filter(({ service }) => isAsAsked(service, selector)));
}

/** Where services are looked for that are not named. A file may define services of several namespaces. */
function namespaceOf({ namespace, source }: Selector): string {
  return namespace || (source ? "*" : defaultNamespace);
}

function isAsAsked(service: SupervisedService, selector: Selector): boolean {
  const isOfFile = !selector.source || service.stored.source === selector.source;
  return isOfFile && hasLabels(service, selector) && hasState(service, selector);
}

/** Whether a read with this selector would have the service among its answers. */
export function isSelected(selector: Selector, service: SupervisedService): boolean {
  if (!isAsAsked(service, selector)) return false;
  if (selector.names.length === 0) return matchesWildcard(isEmpty(selector) ? selector.namespace || "*" : namespaceOf(selector), service.namespace);
  return selector.names.some((text) => {
    const parsed = parseName(text, selector.namespace || defaultNamespace);
    return parsed !== undefined && matchesWildcard(parsed.namespace, service.namespace) && matchesWildcard(parsed.name, service.name);
  });
}

/** Events outlive their services: they are selected by name alone. An event about pmd itself is selected by "all". */
export function isEventSelected(selector: Selector, subject: string): boolean {
  if (selector.names.length === 0) return subject === "" ? selector.all || isEmpty(selector) : inNamespace(selector, subject);
  const about = parseName(subject);
  return selector.names.some((text) => {
    const wanted = parseName(text, selector.namespace || defaultNamespace);
    if (!about || !wanted) return false;
    if (wanted.index !== undefined && about.index !== undefined && wanted.index !== about.index) return false;
    return matchesWildcard(wanted.namespace, about.namespace) && matchesWildcard(wanted.name, about.name);
  });
}

function inNamespace(selector: Selector, subject: string): boolean {
  return matchesWildcard(selector.namespace || (isEmpty(selector) ? "*" : defaultNamespace), parseName(subject)?.namespace ?? "");
}

function isEmpty({ names, labels, states, all, source }: Selector): boolean {
  return !all && !source && names.length === 0 && states.length === 0 && Object.keys(labels).length === 0;
}

function selectByName(text: string, selector: Selector, services: readonly SupervisedService[]): Target[] {
  const parsed = parseName(text, selector.namespace || defaultNamespace);
  if (!parsed) throw invalidFields([{ field: "selector.names", message: `${JSON.stringify(text)} is no name: say web, ns/web, web#1 or web-*` }]);
  const { namespace, name, index } = parsed;
  const found = services.filter((service) => matchesWildcard(namespace, service.namespace) && matchesWildcard(name, service.name));
  if (found.length === 0 && !hasWildcard(name))
    throw serviceNotFound(
      text,
      findSimilar(
        name,
        services.map((service) => service.name),
      ).slice(0, 3),
    );
  if (index === undefined) return found.map((service) => ({ service }));
  for (const service of found) {
    if (!service.instance(index)) throw instanceNotFound(text, service.instances.length);
  }
  return found.map((service) => ({ service, index }));
}

function hasLabels(service: SupervisedService, { labels }: Selector): boolean {
  return Object.entries(labels).every(([name, value]) => service.spec.labels[name] === value);
}

function hasState(service: SupervisedService, { states }: Selector): boolean {
  return states.length === 0 || states.includes(service.state());
}

/** A service that is selected whole is not selected again in parts. */
function unique(targets: readonly Target[]): Target[] {
  const whole = new Set(targets.filter(({ index }) => index === undefined).map(({ service }) => service));
  const seen = new Set<string>();
  return targets.filter(({ service, index }) => {
    if (index !== undefined && whole.has(service)) return false;
    const key = `${service.key}#${index ?? ""}`;
    return !seen.has(key) && seen.add(key);
  });
}
