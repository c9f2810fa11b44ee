import CHostSupport
import Foundation
import Glibc
import HostProtocol
import Logging
import NotebookDisplay
import Synchronization

/// One cell host process and everything that comes from it, in order.
///
/// Between the host and this process stands a guard (`Sources/CellGuard`), to which everything falls that cells start:
/// it ends all of it with the host, and with this process, whatever that ends of.
///
/// One thread starts the child, reads its two pipes and its channel, and hands on what arrives. When the receiver
/// is slow, nothing more is read, the pipes fill, and the cell waits in its `print`: no output is ever dropped, and
/// none piles up here.
final class HostLink: @unchecked Sendable {
  /// What the link tells its owner, always from the link's thread.
  enum Event: Sendable {
    case stream(StreamName, String)
    case message(HostEvent)
    /// The process is gone: exit status or signal.
    case died(status: Int32, signal: Int32)
  }

  // Set by the link's thread before `started` is signalled, constant afterwards.
  private(set) var pid: pid_t = 0
  private var process: GuardedProcess?
  private var channel: FrameChannel?
  private var pipes: (out: Int32, err: Int32) = (-1, -1)
  private var failure: (any Error)?
  /// Runs that print to the pipes.
  private let mainRuns = Mutex<Set<UInt64>>([])

  private let environment: CellEnvironment
  private let folder: String
  private let receive: @Sendable (Event) -> Void
  private let log: Logger

  /// Starts the host and returns once the process exists.
  /// - Parameter folder: of the session; removed when this process is gone.
  init(
    environment: CellEnvironment, folder: String, log: Logger, receive: @escaping @Sendable (Event) -> Void
  ) throws {
    self.environment = environment
    self.folder = folder
    self.receive = receive
    self.log = log
    let started = DispatchSemaphore(value: 0)
    let thread = Thread {
      do { try self.spawn() } catch { self.failure = error }
      let failed = self.failure != nil
      started.signal()
      if !failed { self.pump() }
    }
    thread.stackSize = 1 << 20
    thread.start()
    started.wait()
    if let failure { throw failure }
  }

  func send(_ request: HostRequest) {
    if case .run(let cell) = request, !cell.hasOwnOutput { mainRuns.withLock { _ = $0.insert(cell.id) } }
    // A host that is gone says so by its end of file; a failed send adds nothing.
    try? channel?.send(request)
  }

  /// Ends the process at once, and with it all that cells have started.
  func terminate() { process?.end() }

  /// Ends the process for good: the guard removes the session's folder as well, should this process not come to it.
  func endSession() { process?.endSession() }

  // MARK: Starting

  static let ownBacktraceSetting = "enable=no"

  private func spawn() throws {
    let sockets = try GuardedProcess.socketPair()
    var out: [Int32] = [-1, -1]
    var err: [Int32] = [-1, -1]
    guard chs_pipe(&out) == 0, chs_pipe(&err) == 0 else { throw posixError("pipe") }
    var variables = ProcessInfo.processInfo.environment
    // The runtime's own crash handler would fork a debugger; ours reports and parks.
    variables["SWIFT_BACKTRACE"] = Self.ownBacktraceSetting
    defer { for descriptor in [out[1], err[1], sockets.theirs] { close(descriptor) } }
    func discard() { for descriptor in [out[0], err[0], sockets.ours] { close(descriptor) } }
    let process: GuardedProcess
    do {
      process = try GuardedProcess(
        [environment.host, "--channel", "3"], guardian: environment.guardian, folder: folder,
        descriptors: [1: out[1], 2: err[1], 3: sockets.theirs], environment: variables)
    } catch {
      discard()
      throw error
    }
    guard let host = process.readNumber() else {
      discard()
      process.end()
      _ = process.wait()
      throw CompileFailure.system("\(environment.guardian) started no process for cells")
    }
    pid = host
    pipes = (out[0], err[0])
    channel = FrameChannel(descriptor: sockets.ours)
    self.process = process
    for descriptor in [out[0], err[0]] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    log.debug("host started", metadata: ["pid": "\(host)"])
  }

  // MARK: Reading

  private func pump() {
    guard let channel, let guarded = process else { return }
    var streams = [Stream(.stdout, pipes.out), Stream(.stderr, pipes.err)]
    var printed = PrintedText()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)

    func flush() { for (name, text) in printed.take() { receive(.stream(name, text)) } }
    func drain(_ index: Int, atMost limit: Int) {
      var left = limit
      while left > 0, streams[index].isOpen {
        let n = read(streams[index].descriptor, &buffer, min(buffer.count, left))
        if n > 0 {
          printed.append(buffer[..<n], of: streams[index].name)
          if printed.isLong { flush() }
          left -= n
        } else if n == 0 {
          streams[index].isOpen = false
        } else if errno != EINTR {
          return
        }
      }
    }

    // A process that user code forked may hold the channel open: the end of the host itself is what counts.
    let process = chs_process_descriptor(guarded.pid)
    defer { if process >= 0 { close(process) } }
    while true {
      var wanted = [pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0)]
      for stream in streams {
        wanted.append(pollfd(fd: stream.isOpen ? stream.descriptor : -1, events: Int16(POLLIN), revents: 0))
      }
      wanted.append(pollfd(fd: process, events: Int16(POLLIN), revents: 0))
      let wait = printed.deadline.map { max(0, Int32(($0 - .now).milliseconds.rounded(.up))) } ?? -1
      let ready = poll(&wanted, nfds_t(wanted.count), wait)
      if ready < 0 && errno != EINTR { break }
      for index in streams.indices where ready > 0 && wanted[index + 1].revents != 0 {
        drain(index, atMost: 1 << 18)
      }
      if let deadline = printed.deadline, deadline <= .now { flush() }
      guard ready > 0, wanted[0].revents != 0 else {
        if ready > 0, wanted[streams.count + 1].revents != 0 { break }
        continue
      }
      // What was printed before the message was sent is in the pipes by now; what other threads print meanwhile
      // must not keep us here, so no more is read than is there now.
      for index in streams.indices where streams[index].isOpen { drain(index, atMost: streams[index].available) }
      guard let event = try? channel.receive(HostEvent.self) else { break }
      // Half a character that a cell ends with is no beginning of what the next one prints.
      if case .finished(let run, _) = event, mainRuns.withLock({ $0.remove(run) }) != nil { printed.finish() }
      flush()
      receive(.message(event))
    }
    for index in streams.indices { drain(index, atMost: .max) }
    printed.finish()
    flush()
    // The channel may have been closed by user code while the process lives on: without it, it's of no use.
    terminate()
    let (status, signal) = guarded.wait()
    close(pipes.out)
    close(pipes.err)
    close(channel.descriptor)
    receive(.died(status: status, signal: signal))
  }

  /// One of the two pipes.
  private struct Stream {
    let name: StreamName
    let descriptor: Int32
    var isOpen = true

    init(_ name: StreamName, _ descriptor: Int32) {
      self.name = name
      self.descriptor = descriptor
    }

    var available: Int {
      var count: Int32 = 0
      return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }
  }
}

extension Duration {
  var milliseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1e3 + Double(attoseconds) * 1e-15
  }
}
