internal import Foundation
package import Logging
internal import Synchronization

/// One kernel's session: five sockets, one runner, and the order in which everything is said.
///
/// Threads: one per socket (`SocketLoop`), one worker for the main shell, one per subshell. The heartbeat, control
/// requests and IOPub never wait for a cell.
package final class Session: Sendable {
  package static let protocolVersion = "5.5"

  package struct Description: Sendable {
    package var implementationVersion: String
    package var languageVersion: String
    package var banner: String
    package init(implementationVersion: String, languageVersion: String, banner: String) {
      self.implementationVersion = implementationVersion
      self.languageVersion = languageVersion
      self.banner = banner
    }
  }

  let runner: any CellRunner
  let iopub: IOPub
  let history: History?
  let shell: Channel
  let control: Channel
  let input: InputRequests
  let description: Description
  let log: Logger
  private let heartbeat: Heartbeat
  private let context: SocketContext
  private let stopping: @Sendable () -> Void
  private let finished = DispatchSemaphore(value: 0)

  struct State {
    var executionCount = 0
    /// By subshell; the main shell is "".
    var workers: [String: Worker] = [:]
    var isStopping = false
  }
  let state = Mutex(State())

  /// Binds all five sockets; throws when a port is taken.
  /// - Parameter stopping: called once, when the session begins to end.
  package init(
    connection: ConnectionFile, runner: any CellRunner, history: History?, description: Description, log: Logger,
    stopping: @escaping @Sendable () -> Void = {}
  ) throws(KernelError) {
    let signer = Signer(key: connection.key)
    let messages = MessageFactory(signer: signer)
    let replays = SharedReplayMemory()
    let context = try SocketContext()
    func bound(_ kind: Socket.Kind, _ port: Int) throws(KernelError) -> Socket {
      let socket = try Socket(kind, in: context)
      if let curve = connection.curve { try socket.serve(with: curve) }
      try socket.bind(connection.address(port: port))
      return socket
    }
    self.context = context
    self.runner = runner
    self.history = history
    self.description = description
    self.log = log
    self.stopping = stopping
    shell = try Channel(
      try bound(.router, connection.shellPort), name: "shell", messages: messages, signer: signer, replays: replays,
      log: log)
    control = try Channel(
      try bound(.router, connection.controlPort), name: "control", messages: messages, signer: signer, replays: replays,
      log: log)
    input = InputRequests(
      try Channel(
        try bound(.router, connection.stdinPort), name: "stdin", messages: messages, signer: signer, replays: replays,
        log: log))
    iopub = try IOPub(try bound(.xpub, connection.iopubPort), messages: messages)
    heartbeat = try Heartbeat(try bound(.router, connection.heartbeatPort))
  }

  /// Starts the threads and returns; ``wait()`` returns when the session is over.
  package func start() {
    heartbeat.start()
    iopub.start()
    iopub.status("starting", parent: nil)
    let main = Worker(name: "shell worker") { [self] in answerShell($0) }
    state.withLock { $0.workers[""] = main }
    input.start()
    control.start { [self] in answerControl($0) }
    shell.start { [self] message in
      let id = message.header.subshellID ?? ""
      let worker = state.withLock { $0.workers[id] }
      if worker?.add(message) == true { return }
      guard !state.withLock({ $0.isStopping }) else { return }
      scope(message) { refuseSubshell(id, of: message, on: shell) }
    }
  }

  package func wait() {
    finished.wait()
    finished.signal()
  }

  /// Stops the running cell and ends its questions; the variables stay.
  package func interrupt() {
    // In this order: a question that ends first looks to the cell like the end of its input, and it would go on.
    runner.interrupt()
    input.cancel()
  }

  /// Ends the session: what is queued on the sockets goes out first. Safe to call twice and from any thread but the
  /// sockets' own.
  package func stop() {
    let workers = state.withLock { state -> [Worker]? in
      guard !state.isStopping else { return nil }
      state.isStopping = true
      return Array(state.workers.values)
    }
    guard let workers else { return wait() }
    stopping()
    for worker in workers { worker.stop() }
    interrupt()
    runner.shutdown()
    input.stop()
    shell.stop()
    control.stop()
    iopub.stop()
    heartbeat.stop()
    context.terminate()
    finished.signal()
  }

  /// `busy`, the answer, `idle`: in this order for every request, whatever the answer does.
  func scope(_ message: IncomingMessage, _ answer: () -> Void) {
    iopub.status("busy", parent: message.headerBytes)
    answer()
    iopub.status("idle", parent: message.headerBytes)
  }
}
