internal import Foundation
package import Logging
internal import Synchronization

/// One kernel's session: five sockets, one runner, and the order in which everything is said.
///
/// Threads: one per socket (`SocketLoop`), one for the cells of the main shell and one for those of each subshell,
/// one per shared `Lane`. Only cells ever wait for a cell.
package final class Session: Sendable {
  package static let protocolVersion = "5.5"

  package struct Description: Sendable {
    package var implementationVersion: String
    package var languageVersion: String
    package var banner: String
    /// What clients list in their help menus, besides Swift's own book.
    package var helpLinks: [(text: String, url: String)]
    package init(
      implementationVersion: String, languageVersion: String, banner: String,
      helpLinks: [(text: String, url: String)] = []
    ) {
      self.implementationVersion = implementationVersion
      self.languageVersion = languageVersion
      self.banner = banner
      self.helpLinks = helpLinks
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
  let heartbeat: Heartbeat
  let context: SocketContext
  let usage = UsageMeter()
  let finished = DispatchSemaphore(value: 0)
  /// Held by who ends the session, until every request is answered.
  let ending = Mutex<Void>(())
  /// Called once, when the session begins to end.
  let stopping: @Sendable () -> Void

  struct State {
    var executionCount = 0
    /// Told to the user once, with the first cell that may show something.
    var notice: String?
    /// Who runs the cells, by subshell; the main shell is "".
    var workers: [String: Worker] = [:]
    /// Who answers everything else.
    var lanes: [Lane: Worker] = [:]
    /// Workers of deleted subshells; their last cells may still run.
    var leaving: [Worker] = []
    /// What arrives from now on is answered as aborted.
    var isStopping = false
    var isClosing = false
  }
  let state = Mutex(State())

  /// Binds all five sockets; throws when a port is taken.
  /// - Parameters:
  ///   - notice: what the user is told once, with the first cell.
  ///   - stopping: called once, when the session begins to end.
  package init(
    connection: ConnectionFile, runner: any CellRunner, history: History?, description: Description, log: Logger,
    notice: String? = nil, stopping: @escaping @Sendable () -> Void = {}
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
    iopub = try IOPub(try bound(.xpub, connection.iopubPort), messages: messages)
    input = InputRequests(
      try Channel(
        try bound(.router, connection.stdinPort), name: "stdin", messages: messages, signer: signer, replays: replays,
        log: log), after: iopub)
    heartbeat = try Heartbeat(try bound(.router, connection.heartbeatPort))
    state.withLock { $0.notice = notice }
  }

  /// Starts the threads and returns; ``wait()`` returns when the session is over.
  package func start() {
    heartbeat.start()
    iopub.start()
    iopub.status("starting", parent: nil)
    state.withLock { state in
      state.workers[""] = Worker(name: "shell cells") { [self] in answerShell($0) }
      for lane in Lane.shared { state.lanes[lane] = Worker(name: "shell \(lane)") { [self] in answerShell($0) } }
    }
    input.start()
    control.start { [self] in answerControl($0) }
    shell.start { [self] in receive($0) }
  }

  /// A request of the shell channel, on the channel's thread: goes to who answers it.
  private func receive(_ message: IncomingMessage) {
    if message.header.type == "shutdown_request" { return shutDown(message, on: shell) }
    let id = message.header.subshellID ?? ""
    let (cells, shared, isStopping) = state.withLock { state in
      (state.workers[id], state.lanes[Lane(message.header.type)], state.isStopping)
    }
    if isStopping { return abort(message) }
    guard let cells else { return scope(message) { refuseSubshell(id, of: message, on: shell) } }
    // Stopped since: the subshell was deleted.
    if !(shared ?? cells).add(message) { abort(message) }
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

  /// `busy`, the answer, `idle`: in this order for every request, whatever the answer does.
  func scope(_ message: IncomingMessage, _ answer: () -> Void) {
    iopub.status("busy", parent: message.headerBytes)
    answer()
    iopub.status("idle", parent: message.headerBytes)
  }
}
