/** Names: `web` is a service, `prod/web` one in a namespace, `web#1` an instance. In full they always carry the namespace. */
export const defaultNamespace = "default";

export function serviceKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Of a service in full. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function instanceKey(serviceName: string, index: number): string {
  return `${serviceName}#${index}`;
}

/** Of an instance in full. */
export function serviceOf(instance: string): string {
  return instance.slice(0, instance.lastIndexOf("#"));
}

/** As people are shown it: the default namespace goes without saying. */
export function displayName(fullName: string): string {
  return fullName.startsWith(`${defaultNamespace}/`) ? fullName.slice(defaultNamespace.length + 1) : fullName;
}

export interface ParsedName {
  readonly namespace: string;
  readonly name: string;
  readonly index?: number;
}

/** Takes `name`, `ns/name`, `name#1`, `ns/name#1`; undefined when it is none of these. Wildcards are names here. */
export function parseName(text: string, namespace = defaultNamespace): ParsedName | undefined {
  const match = /^(?:([^/#]+)\/)?([^/#]+)(?:#(\d{1,4}))?$/.exec(text);
  if (!match) return undefined;
  const [, inNamespace, name, index] = match;
  const parsed = { namespace: inNamespace ?? namespace, name: name ?? "" };
  return index === undefined ? parsed : { ...parsed, index: Number(index) };
}
