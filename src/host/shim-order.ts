// What a waiting shim is told: a piece of shell that makes the process what it is to be, and then becomes the program. It is a file and not
// arguments, which everybody on the host could read: there are values of variables in it. Everything from outside stands in single quotes.

export interface ShimOrder {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly softOpenFiles: number;
  /** Absolute paths of the programs that it needs. */
  readonly setsid: string;
  readonly env: string;
}

export function shimOrderText({ argv, environment, workingDirectory, softOpenFiles, setsid, env }: ShimOrder): string {
  const variables = Object.entries(environment);
  const plain = variables.filter(([name]) => canExport(name)).map(([name, value]) => `export ${name}=${quote(value)}`);
  const strange = variables.filter(([name]) => !canExport(name)).map(([name, value]) => quote(`${name}=${value}`));
  const program = [...(strange.length > 0 ? [env, ...strange] : []), ...argv.map(quote)];
  return [
    // The pid is written when nothing but the exec is left that could fail: until then it was not started.
    `cd ${quote(workingDirectory)} || exit 125`,
    `ulimit -Sn ${softOpenFiles}`,
    "umask 022",
    ...plain,
    `printf '%s\\n' "$pid" >&7 || exit 125`,
    "exec 7>&-",
    `exec ${setsid} ${program.join(" ")}`,
    "",
  ].join("\n");
}

/** A shell cannot export names that are no identifiers, and some have a meaning of their own to one shell or another. */
function canExport(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !/^(OPTIND|PPID|UID|EUID|IFS|PS4|_|pid|word|status|BASH.*|SHELLOPTS)$/.test(name);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
