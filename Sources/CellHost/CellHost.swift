import CHostSupport
import CellSupport
import Foundation
import HostProtocol
import ICLEngine
import NotebookDisplay

/// The process in which cells run: `icl-cell-host --channel <descriptor>`, started by the kernel.
///
/// The engine is linked into this executable, and cells, which are shared objects, find it here. The main thread
/// serves the main dispatch queue; everything else, the main actor included, happens on threads of the host.
@main
struct CellHost {
  static func main() async {
    let arguments = CommandLine.arguments
    guard let flag = arguments.firstIndex(of: "--channel"), arguments.indices.contains(flag + 1),
      let descriptor = Int32(arguments[flag + 1]), fcntl(descriptor, F_GETFD) >= 0
    else {
      FileHandle.standardError.write(Data("icl-cell-host is started by icl-kernel, not by hand\n".utf8))
      Foundation.exit(64)
    }
    chs_die_with_parent()
    chs_buffer_output()
    chs_set_program_name(strdup("notebook"))
    let moved = chs_move_descriptor(descriptor)
    let reports = chs_install()
    guard moved >= 0, reports >= 0, chs_hook_global_executor() else {
      FileHandle.standardError.write(Data("icl-cell-host could not install its signal handlers\n".utf8))
      Foundation.exit(70)
    }
    // When memory runs out, this process should go, not the kernel or the Jupyter server.
    try? Data("500".utf8).write(to: URL(filePath: "/proc/self/oom_score_adj"))
    MainActorExecutor.install()
    // Without the hook, tracebacks of thrown errors have no lines.
    _ = chs_hook_throws()
    let host = Host(channel: FrameChannel(descriptor: moved), reports: reports)
    host.start()
    await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
  }
}
