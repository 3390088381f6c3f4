// Where pidusage keeps what it knows of a pid, and the descriptor that it keeps open for it.
declare module "pidusage/lib/history.js" {
  interface PidHistory {
    readonly fd?: number;
  }
  const history: {
    get(pid: number, maxage?: number): PidHistory | undefined;
    set(pid: number, entry: PidHistory, maxage: number, onExpire: () => void): void;
  };
  export default history;
}
