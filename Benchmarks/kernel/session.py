"""A kernel as a client sees it, with a stopwatch for the clock on the wall and for the processors."""

import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

import zmq
from jupyter_client.manager import KernelManager

TICK = os.sysconf("SC_CLK_TCK")


class Session:
    """One kernel process and one client. Times are milliseconds."""

    def __init__(self, name):
        context = zmq.Context()
        # A client that asks before the kernel listens tries again after 100 ms, which would round every start up.
        context.setsockopt(zmq.RECONNECT_IVL, 2)
        self.began = time.perf_counter()
        self.manager = KernelManager(kernel_name=name, context=context)
        self.manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        # Until the first answer the subscription may not be there yet: ask again until an idle is seen.
        while True:
            asked = self.client.kernel_info()
            if self.idle(asked, patience=0.25):
                break
        self.start = self.since_start()
        self.pid = self.manager.provisioner.process.pid
        while True:
            try:
                self.client.get_shell_msg(timeout=0.01)
            except Exception:
                break

    def since_start(self):
        return 1000 * (time.perf_counter() - self.began)

    def idle(self, asked, patience=120.0):
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except Exception:
                return False
            if message["parent_header"].get("msg_id") == asked and message["content"].get("execution_state") == "idle":
                return True
        return False

    def run(self, code, printed=None):
        """From asking to `idle`. With `printed`, the number of bytes that the cell's stdout must have had."""
        began = time.perf_counter()
        asked = self.client.execute(code)
        failed, count = None, 0
        while True:
            message = self.client.get_iopub_msg(timeout=600)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                count += len(content["text"].encode())
            elif kind == "error":
                failed = content["evalue"]
            elif kind == "status" and content["execution_state"] == "idle":
                break
        took = 1000 * (time.perf_counter() - began)
        self.client.get_shell_msg(timeout=60)
        if failed:
            raise SystemExit(f"the cell failed: {failed}\n{code}")
        if printed is not None and count != printed:
            raise SystemExit(f"{self.manager.kernel_name}: {count} bytes of output arrived of {printed}")
        return took

    def complete(self, code):
        began = time.perf_counter()
        asked = self.client.complete(code, len(code))
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == asked:
                break
        took = 1000 * (time.perf_counter() - began)
        if not message["content"]["matches"]:
            raise SystemExit(f"{self.manager.kernel_name} completes nothing for {code!r}")
        self.idle(asked)
        return took

    def processor_time(self):
        """User and system time so far of the kernel and all that it has started, as far as it was waited for or still is."""
        parents, times = {}, {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            process = int(stat.parent.name)
            parents[process], times[process] = int(fields[1]), sum(int(field) for field in fields[11:15])

        def is_ours(process):
            # Compilers and the process for cells each stand behind a guard.
            return process == self.pid or process in parents and is_ours(parents[process])

        return 1000 * sum(time for process, time in times.items() if is_ours(process)) / TICK

    def memory(self):
        """Resident MiB of the kernel process alone."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


class Compiler:
    """The toolchain's own work for a cell: `swift-frontend` and `ld.lld`, nothing else."""

    def __init__(self):
        frontend = shutil.which("swift-frontend") or "/opt/swift/usr/bin/swift-frontend"
        self.tools = pathlib.Path(os.path.realpath(frontend)).parent
        self.runtime = self.tools.parent / "lib/swift/linux"
        self.folder = tempfile.TemporaryDirectory()

    def version(self):
        asked = subprocess.run([self.tools / "swift-frontend", "-version"], capture_output=True, text=True)
        return (asked.stdout or asked.stderr).splitlines()[0]

    def build(self, text, foundation=False):
        """Wall and processor time of compiling and linking `text`."""
        pathlib.Path(self.folder.name, "main.swift").write_text(text)
        machine = os.uname().machine
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run(
            [self.tools / "swift-frontend", "-c", "-primary-file", "main.swift", "-module-name", "Cell1", "-o", "cell.o",
             "-enable-testing", "-disable-access-control", "-swift-version", "5", "-Onone", "-gline-tables-only",
             "-emit-module-path", "Cell1.swiftmodule", "-entry-point-function-name", "cell1_main"],
            cwd=self.folder.name, check=True)
        subprocess.run(
            [self.tools / "ld.lld", "-shared", "cell.o", "-o", "libCell1.so", self.runtime / machine / "swiftrt.o",
             "-L", self.runtime, "-lswiftCore", "-lswiftSwiftOnoneSupport", *(["-lFoundation"] if foundation else [])],
            cwd=self.folder.name, check=True)
        took = 1000 * (time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return took, 1000 * used
