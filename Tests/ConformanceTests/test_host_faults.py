"""What happens to a machine, not only to a cell: memory, disk, compiler, descriptors, processes that are killed.

The rule of all tests here: the request is answered with an error that says what happened, and the next cell works.
"""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time

import pytest
from processes import descendants, guard_of, host_of, is_alive, wait_until_gone


def keeps(kernel, code, *, name=None, words=""):
    """Runs a cell that must fail and leave `treasure` as it is."""
    outcome = kernel.execute(code)
    assert outcome.status == "error", code
    assert outcome.kinds[-2:] == ["error", "idle"]
    assert name is None or outcome.content["ename"] == name, outcome.explanation
    assert words in outcome.explanation, outcome.explanation
    assert kernel.run("treasure").result == "[1, 2, 3]", f"lost after: {code}"
    return outcome


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.02)


# Memory


def test_a_cell_that_allocates_without_end_is_stopped_and_the_session_kept(start_kernel):
    kernel = start_kernel(env=os.environ | {"ICL_CELL_MEMORY": "1.5"})
    kernel.run("var treasure = [1, 2, 3]")
    keeps(
        kernel, "var hoard: [[UInt8]] = []\nwhile true { hoard.append([UInt8](repeating: 1, count: 1 << 20)) }",
        name="OutOfMemory", words="1.5 GB",
    )  # fmt: skip
    # What the stopped cell holds can be let go of, and then there is room again.
    kernel.run("hoard = []")
    assert kernel.run("[UInt8](repeating: 7, count: 1 << 29).last!").result == "7"
    # C code is told by malloc.
    keeps(kernel, "import Foundation\nguard let p = malloc(8 << 30) else { fatalError(\"no memory\") }\n_ = p",
          words="no memory")  # fmt: skip


# Heap, descriptors, locks


@pytest.mark.parametrize(
    "code",
    [
        "let p = malloc(8)!\nfree(p)\nfree(p)",
        "free(UnsafeMutableRawPointer(bitPattern: 0x1234_5678))",
        "let p = malloc(24)!.assumingMemoryBound(to: UInt64.self)\np[3] = ~0\np[-1] = ~0\nfree(p)",
        "let p = (0..<40).map { _ in malloc(2000)! }\nfor q in p { memset(q - 64, 0x41, 2100) }\n"
        "for q in p { free(q) }\nfor _ in 0..<1000 { _ = malloc(1500) }",
    ],
    ids=["double free", "free of garbage", "overwritten header", "overwritten neighbours"],
)
def test_a_damaged_heap_ends_at_most_the_host(own_kernel, code):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]")
    outcome = kernel.execute(code)
    assert outcome.status == "error", "damage of this kind is found by the C library"
    assert outcome.content["ename"] in ("Abort", "SegmentationFault", "BusError", "HostDied"), outcome.explanation
    # Nothing of that process is trusted any more: it is said that the variables are gone, and the next cell works.
    assert "treasure" in outcome.explanation
    assert kernel.run("var treasure = [4]\ntreasure.count").result == "1"


def test_closed_descriptors_are_given_back(own_kernel):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]")
    kernel.execute("for d in 0...50 { close(Int32(d)) }")
    outcome = kernel.run('print("out")\nfputs("err\\n", stderr)\ntreasure')
    assert (outcome.stream(), outcome.stream("stderr"), outcome.result) == ("out\n", "err\n", "[1, 2, 3]")


def test_a_lock_that_is_held_for_ever_hangs_no_session(own_kernel):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]\nlet lock = NSLock()")
    for code in ['print("go")\nlock.lock()\nlock.lock()', 'print("go")\nlock.lock()']:
        cell = kernel.submit(code)
        kernel.wait_for_output(cell, "go")
        kernel.interrupt()
        assert kernel.outcome(cell).content["ename"] == "Interrupted"
    assert kernel.run("treasure").result == "[1, 2, 3]"


def test_a_thread_that_died_in_the_loader_costs_the_host_and_says_so(own_kernel):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]")
    # The loader's lock is held while the callback runs, and the thread that holds it is stopped for ever.
    failed = kernel.execute(
        "typealias Each = @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Int32\n"
        "typealias Walk = @convention(c) (Each, UnsafeMutableRawPointer?) -> Int32\n"
        "let walk = unsafeBitCast(dlsym(nil, \"dl_iterate_phdr\"), to: Walk.self)\n"
        "walk({ _, _, _ in fatalError(\"inside\") }, nil)"
    )
    assert failed.content["evalue"] == "inside", failed.explanation
    for _ in range(5):
        stuck = kernel.submit("treasure")
        time.sleep(1)  # An interrupt that comes before the cell is being loaded stops it as any other.
        kernel.interrupt()
        outcome = kernel.outcome(stuck, timeout=100)
        if outcome.content["ename"] != "Interrupted":
            break
    assert outcome.content["ename"] == "HostStuck", outcome.explanation
    assert "treasure" in outcome.explanation
    assert kernel.run("1 + 1").result == "2"


def test_a_trap_on_the_main_queue_leaves_the_queue_working(own_kernel):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]")
    keeps(kernel, "let done = DispatchSemaphore(value: 0)\n"
          "DispatchQueue.main.async { _ = [Int]()[1]; done.signal() }\ndone.wait()", words="Index out of range")  # fmt: skip
    assert kernel.run(
        "let again = DispatchSemaphore(value: 0)\nvar seen = 0\n"
        "DispatchQueue.main.async { seen = 5; again.signal() }\nagain.wait()\nseen"
    ).result == "5"


def test_a_trap_in_a_task_by_signal_is_told_with_the_cell(own_kernel):
    kernel = own_kernel
    kernel.run("import Foundation\nvar treasure = [1, 2, 3]")
    for body, name in [
        ("print(UnsafePointer<Int>(bitPattern: 8)!.pointee)", "SegmentationFault"),
        ("raise(SIGFPE)", "ArithmeticException"),
        ("abort()", "Abort"),
    ]:
        keeps(kernel, f"func work() async {{ {body} }}\nawait work()", name=name)
        keeps(kernel, f"await withTaskGroup(of: Void.self) {{ $0.addTask {{ {body} }} }}", name=name)


def test_a_deep_recursion_that_allocates_leaves_the_heap_usable(own_kernel):
    kernel = own_kernel
    kernel.run("var treasure = [1, 2, 3]\nfunc deep(_ n: Int) -> [Int] { [n] + deep(n + 1) }")
    for _ in range(3):
        keeps(kernel, "deep(0)", name="StackOverflow")
    assert kernel.run("(0..<100_000).map { [$0] }.count").result == "100000"


# Forks


FORK = textwrap.dedent(
    """
    import Foundation
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)
    """
)


def test_a_fork_of_user_code_holds_up_nothing_and_can_print(own_kernel):
    kernel = own_kernel
    kernel.run(FORK)
    started = time.monotonic()
    outcome = kernel.run(
        'print("before")\nlet child = fork()\nif child == 0 { print("child"); sleep(600) }\nprint("parent")'
    )
    lines = outcome.stream().splitlines()
    assert lines[0] == "before" and sorted(lines) == ["before", "child", "parent"], "whole lines, and nothing twice"
    assert time.monotonic() - started < 300
    host = host_of(kernel)
    os.kill(host, signal.SIGKILL)
    wait_for(lambda: not is_alive(host), "the host's end")
    assert kernel.run("2 + 2").result == "4"


def test_a_forked_child_that_ends_or_traps_harms_nobody(own_kernel):
    kernel = own_kernel
    kernel.run(FORK + "var treasure = [1, 2, 3]")
    for body in ["print(\"child\"); exit(3)", "fatalError(\"child\")", "print(\"child\")"]:
        outcome = kernel.run(
            f"let c = fork()\nif c == 0 {{ {body} }}\n"
            "else { var status: Int32 = 0; waitpid(c, &status, 0); print(\"ended\") }"
        )
        assert "ended" in outcome.stream(), outcome.explanation
        assert kernel.run("treasure").result == "[1, 2, 3]"


# The disk


@pytest.fixture
def tiny_disk(tmp_path):
    """A folder on a disk of 6 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "icl-test", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder])


def test_a_full_disk_is_named_and_forgiven(start_kernel, tiny_disk):
    kernel = start_kernel(env=os.environ | {"TMPDIR": str(tiny_disk)})
    kernel.run("var treasure = [1, 2, 3]")
    hog = tiny_disk / "hog"
    file = os.open(hog, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(file, bytes(4096))
    os.close(file)
    outcome = kernel.execute("let more = treasure.count")
    assert outcome.content["ename"] == "SystemError", outcome.explanation
    assert "full" in outcome.explanation and str(tiny_disk) in outcome.explanation
    hog.unlink()
    assert kernel.run("treasure").result == "[1, 2, 3]"


def test_a_session_folder_that_cannot_be_written_is_named_and_forgiven(start_kernel, tiny_disk):
    kernel = start_kernel(env=os.environ | {"TMPDIR": str(tiny_disk)})
    kernel.run("var treasure = [1, 2, 3]")
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    outcome = kernel.execute("treasure.count")
    assert outcome.content["ename"] == "SystemError", outcome.explanation
    assert str(tiny_disk) in outcome.explanation
    subprocess.run(["mount", "-o", "remount,rw", tiny_disk], check=True)
    assert kernel.run("treasure").result == "[1, 2, 3]"


# The compiler


@pytest.fixture
def moody_toolchain(tmp_path, executable):
    """The real toolchain but for a compiler that crashes or hangs when the cell's text asks for it."""
    found = subprocess.run([executable, "doctor"], capture_output=True, text=True).stdout
    roots = [pathlib.Path(word) for word in found.split() if os.access(f"{word}/bin/swift-frontend", os.X_OK)]
    real = roots[0] if roots else pathlib.Path(shutil.which("swiftc")).resolve().parents[1]
    fake = tmp_path / "usr"
    (fake / "bin").mkdir(parents=True)
    for entry in real.iterdir():
        if entry.name != "bin":
            (fake / entry.name).symlink_to(entry)
    for tool in (real / "bin").iterdir():
        if tool.name != "swift-frontend":
            (fake / "bin" / tool.name).symlink_to(tool)
    wrapper = fake / "bin/swift-frontend"
    wrapper.write_text(
        f"""#!/bin/sh
# A compiler that waits for its arguments finds them in a file once its standard input ends.
if [ "$1" = @/dev/stdin ]; then
  cat > /dev/null
  shift
  [ -e "${{1#@}}" ] || exit 0
  text=$(grep -o '[^"]*/main.swift' "${{1#@}}" | head -1)
else
  for argument; do
    case "$argument" in */main.swift) text=$argument ;; esac
  done
fi
if [ -n "$text" ]; then
  grep -q "CRASH THE COMPILER" "$text" && kill -SEGV $$
  grep -q "HANG THE COMPILER" "$text" && touch {fake}/hanging && sleep 1000
fi
exec {real}/bin/swift-frontend "$@"
"""
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return fake


def test_a_compiler_that_crashes_or_hangs_costs_one_cell(start_kernel, moody_toolchain):
    kernel = start_kernel(env=os.environ | {"ICL_TOOLCHAIN": str(moody_toolchain)})
    kernel.run("var treasure = [1, 2, 3]")
    keeps(kernel, "// CRASH THE COMPILER\n1", name="CompilerFailure", words="SIGSEGV")
    cell = kernel.submit("// HANG THE COMPILER\n1")
    wait_for(lambda: (moody_toolchain / "hanging").exists(), "the compiler's start")
    kernel.interrupt()
    # Not when the compiler's own children have ended: they are ended with it.
    assert kernel.outcome(cell).content["ename"] == "Interrupted"
    assert kernel.run("treasure").result == "[1, 2, 3]"


def test_what_runs_beside_the_host_ends_with_a_killed_kernel(start_kernel, moody_toolchain, tmp_path):
    """A compiler that hangs, those that wait for the next cell, and what a command has put into a session of its own."""
    for code, file in [
        ("// HANG THE COMPILER\n1", moody_toolchain / "hanging"),
        (f"%%bash\nsetsid sh -c 'echo $$ > {tmp_path}/daemon; sleep 600' &\nsleep 600", tmp_path / "daemon"),
    ]:
        kernel = start_kernel(env=os.environ | {"ICL_TOOLCHAIN": str(moody_toolchain)})
        kernel.run("1")
        kernel.submit(code)
        wait_for(file.exists, "the start of what doesn't end")
        processes = [kernel.pid, *descendants(kernel.pid)]
        assert len(processes) >= 5
        os.kill(kernel.pid, signal.SIGKILL)
        wait_until_gone(processes, seconds=30)


# The end of the server, and what killed sessions leave behind


def sessions(folder, pid):
    return [path for path in pathlib.Path(folder).iterdir() if path.name.startswith(f"icl-session-{pid}-")]


def test_no_process_outlives_the_server(tmp_path, kernel):
    """A server that starts a kernel, says which processes there are, and is killed."""
    server = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, time\n"
            "from jupyter_client.manager import KernelManager\n"
            "manager = KernelManager(kernel_name=sys.argv[1])\n"
            "manager.start_kernel()\n"
            "client = manager.blocking_client()\n"
            "client.start_channels()\n"
            "client.wait_for_ready(timeout=60)\n"
            "client.execute_interactive('1', timeout=60)\n"
            "print('\\npid', manager.provisioner.process.pid, flush=True)\n"
            "time.sleep(600)\n",
            kernel.manager.kernel_name,
        ],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    for line in server.stdout:
        if line.startswith("pid "):
            pid = int(line.split()[1])
            break
    child = Child(pid)
    processes = [pid, guard_of(child), host_of(child)]
    server.kill()
    server.wait()
    wait_until_gone(processes, seconds=30)
    assert sessions(tmp_path, pid) == []


class Child:
    """A kernel of which only the process is known."""

    def __init__(self, pid):
        self.pid = pid


# A child, a child with a group of its own, and one that has put itself into a session of its own and lost its parent.
STARTS = """
import Foundation
func start(_ path: String, _ arguments: [String]) throws -> Int32 {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  try process.run()
  return process.processIdentifier
}
let child = try start("/bin/sleep", ["600"])
let daemon = try start("/bin/sh", ["-c", "setsid sh -c 'sleep 600 & echo $! > DAEMON' &"])
"""


def start_processes(kernel, folder):
    """The numbers of processes that a cell starts and leaves behind."""
    file = folder / "daemon"
    kernel.run(STARTS.replace("DAEMON", str(file)))
    wait_for(lambda: file.exists() and file.read_text().strip(), "the daemon's start")
    started = [int(kernel.run("child").result), int(file.read_text())]
    assert all(is_alive(process) for process in started)
    return started


@pytest.mark.parametrize("end", ["shutdown", "terminated", "killed"])
def test_what_a_cell_started_ends_with_the_kernel(own_kernel, tmp_path, end):
    kernel = own_kernel
    started = start_processes(kernel, tmp_path)
    processes = [kernel.pid, guard_of(kernel), host_of(kernel), *started]
    if end == "shutdown":
        kernel.ask("shutdown_request", {"restart": False}, channel="control")
    else:
        os.kill(kernel.pid, signal.SIGTERM if end == "terminated" else signal.SIGKILL)
    wait_until_gone(processes, seconds=30)


def test_what_a_cell_started_ends_with_its_host(own_kernel, tmp_path):
    started = start_processes(own_kernel, tmp_path)
    os.kill(host_of(own_kernel), signal.SIGKILL)
    wait_until_gone(started, seconds=30)
    assert own_kernel.run("1 + 1").result == "2"


def test_leftovers_of_killed_sessions_go_and_those_of_living_ones_stay(start_kernel, tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    alive = start_kernel(env=environment)
    alive.run("1")
    killed = start_kernel(env=environment)
    killed.run("1")
    # The guard would remove the folder.
    processes = [guard_of(killed), killed.pid, host_of(killed)]
    for process in processes[:2]:
        os.kill(process, signal.SIGKILL)
    wait_until_gone(processes, seconds=30)
    (left,) = sessions(tmp_path, processes[1])
    foreign = tmp_path / "icl-session-mine-not-yours"
    foreign.mkdir()
    start_kernel(env=environment).run("1")
    wait_for(lambda: not left.exists(), "the leftover's removal")
    assert len(sessions(tmp_path, alive.pid)) == 1 and foreign.exists()
    assert alive.run("2").result == "2"
    guard = guard_of(alive)
    alive.ask("shutdown_request", {"restart": False}, channel="control")
    wait_until_gone([alive.pid, guard], seconds=30)
    assert sessions(tmp_path, alive.pid) == []
