"""pmd as one of several process managers that a harness in Python measures on the same work.

A harness keeps a file like this for each of them, and puts this one beside its `base.py`, which has:
  Peer   with `home` (a folder made anew), `env()`, `run(argv)`, `popen(argv)` and `proc`; the harness calls what is defined below
  SVC    the path of a service whose process is known by its name
  comm, alive, cpu_s, ...   of processes, by pid
It calls `define(services)` before the daemon runs; each has a name, argv, `fast` (the fastest restart that there is), `rotate` (bytes, 0 for
never) and `up` (started with the daemon). Then `start_daemon()`, the commands, and `shutdown()`.

PMD_CHECKOUT is a checkout in which `npm run build` was run.
"""
import glob, http.client, json, os, signal, socket
from .base import *

CHECKOUT = os.environ.get("PMD_CHECKOUT", "")
NODE = f"{CHECKOUT}/node_modules/node/bin/node"
NEVER = 1 << 40  # the largest size at which a log can be rotated

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("pmd")
        self.path = path
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

class Pmd(Peer):
    name = "pmd"
    api = True
    def env(self):
        inherited = super().env()
        return {**inherited, "PATH": f"{os.path.dirname(NODE)}:{inherited['PATH']}"}
    def version(self):
        return json.load(open(f"{CHECKOUT}/package.json"))["version"]
    def define(self, svcs):
        self.svcs = {s.name: s for s in svcs}
        self.connection = None
        services = {s.name: self.service(s) for s in svcs}
        json.dump({"version": 1, "services": services}, open(self.home + "/pm.json", "w"))
    def service(self, s):
        spec = {"command": s.argv, "autostart": bool(s.up), "logs": {"rotate": {"size": s.rotate or NEVER, "backups": 10000}}}
        if s.fast: spec["restart"] = {"delay": "0s"}
        return spec
    def start_daemon(self):
        places = [word for part in ("state", "runtime", "log") for word in (f"--{part}-dir", f"{self.home}/{part}")]
        self.connection = None
        self.proc = self.popen([f"{CHECKOUT}/dist/pmd", "--config", self.home + "/pm.json", "--log-file", self.home + "/pmd.log", *places])
    def ctl(self, *words):
        return [NODE, f"{CHECKOUT}/dist/pmctl.js", *words, "--socket", self.home + "/runtime/pmd.sock"]
    def some(self, names):
        return ["--all"] if len(names) == len(self.svcs) else names
    def list_cmd(self): return self.ctl("ps")
    def start_cmd(self, names): return self.ctl("start", *self.some(names))
    def stop_cmd(self, names): return self.ctl("stop", *self.some(names))
    def restart_cmd(self, names): return self.ctl("restart", *self.some(names))
    def follow_cmd(self, name): return self.ctl("logs", "-f", "-n", "0", "--raw", name)
    def log_paths(self, name):
        path = f"{self.home}/log/{name}/out.log"
        return sorted(glob.glob(path + "." + "[0-9]" * 15)) + [path]
    # A connection that is kept, as a program would keep it.
    def call(self, method, request):
        self.connection = self.connection or UnixConnection(self.home + "/runtime/pmd.sock")
        self.connection.request("POST", f"/pm.v1.SupervisorService/{method}", json.dumps(request), {"content-type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if "code" in answer: raise RuntimeError(answer["message"])
        return answer
    def api_list(self): return self.call("ListServices", {})
    def api_start(self, name): return self.call("StartServices", {"selector": {"names": [name]}, "wait": {"level": "LEVEL_STARTED"}})
    def api_stop(self, name): return self.call("StopServices", {"selector": {"names": [name]}})
    def manager_pids(self):
        """pmd, the pump, and the shims, which are nobody's children for long: whatever names a place of this daemon, and is no service."""
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try: line = open(f"/proc/{pid}/cmdline").read()
            except OSError: continue
            if self.home + "/runtime" in line and "pmctl.js" not in line and comm(pid) != "svc" and alive(pid): found.append(pid)
        return found
    def shutdown(self):
        if self.connection: self.connection.close()
        try:
            self.run(self.ctl("daemon", "stop", "--stop-services"), timeout=60)
            self.proc.wait(60)
        except Exception: pass
        for pid in self.manager_pids():
            try: os.kill(pid, signal.SIGKILL)
            except OSError: pass
