import CHostSupport
import CellSupport
import Foundation
import HostProtocol
import ICLEngine
import NotebookDisplay
import Synchronization

/// Takes requests from the kernel, runs cells on threads of their own, and reports how each ended.
final class Host: Sendable {
  private let channel: FrameChannel
  private let reports: Int32
  let runs = Mutex<[UInt64: Run]>([:])
  private let acknowledgements = Mutex<(next: UInt64, waiting: [UInt64: DispatchSemaphore])>((0, [:]))
  private let descriptors: KeptDescriptors
  private let memory = MemoryLimit()
  private let variables = SessionVariables()
  /// What C code has not yet read of a line of input.
  private let pendingInput = Mutex<[UInt8]>([])
  /// For C functions, which have no context.
  private static let current = Mutex<Host?>(nil)

  init(channel: FrameChannel, reports: Int32) {
    self.channel = channel
    self.reports = reports
    descriptors = KeptDescriptors()
  }

  func start() {
    CellSupport.bridge = self
    NotebookOutput.sink = self
    Comms.connect { [self] message in sendInOrder { .comm(run: chs_current_run(), message, number: $0) } }
    Self.current.withLock { $0 = self }
    chs_set_output_writer { run, isError, bytes, count in
      guard let bytes, count > 0 else { return }
      Host.current.withLock { $0 }?.send(.output(run: run, isError: isError, Data(bytes: bytes, count: count)))
    }
    chs_set_sync { Host.current.withLock { $0 }?.sendInOrder { .printed(number: $0) } }
    chs_set_input_reader { bytes, count in
      guard let bytes, count > 0 else { return 0 }
      return Host.current.withLock { $0 }?.readInput(into: UnsafeMutableRawBufferPointer(start: bytes, count: count))
        ?? 0
    }
    Interruption.install { [self] in isInterrupted(chs_current_run()) }
    CellTasks.install { [self] in endsByError($0) }
    let services: [@Sendable (Host) -> Void] = [
      { $0.serveRequests() }, { $0.watchReports() }, { $0.flushOutput() },
    ]
    for serve in services {
      Thread.detachNewThread {
        chs_serve()
        serve(self)
      }
    }
    send(.ready)
  }

  /// Ends the process when the kernel is gone: nothing is left to run for.
  func send(_ event: HostEvent) {
    // The channel is the parent's, whatever a forked child of user code does.
    guard !chs_is_forked() else { return }
    // A cell's own thread sends what it shows: stopped half-way, it would leave the channel locked.
    chs_enter_critical()
    defer { chs_leave_critical() }
    do { try channel.send(event) } catch { chs_end_group() }
  }

  private func serveRequests() {
    while true {
      guard let request = try? channel.receive(HostRequest.self) else { chs_end_group() }
      switch request {
      case .run(let cell): run(cell)
      case .interrupt(let id): interrupt(id)
      case .inputReply(let id, let line): runs.withLock { $0[id] }?.input.put(line)
      case .progress(let number):
        let running = runs.withLock { Array($0) }
        let reached = running.map {
          ($0.key, $0.value.isLoaded.load(ordering: .relaxed) ? Int(chs_marked($0.key)) : -1)
        }
        send(.progress(number, reached: Dictionary(uniqueKeysWithValues: reached)))
      case .surroundings(let number): send(.surroundings(number, .current))
      case .acknowledge(let number):
        acknowledgements.withLock { $0.waiting.removeValue(forKey: number) }?.signal()
      case .keep(let id): runs.withLock { $0[id] }?.releases.withLock { $0.waiting = [] }
      case .shutdown: chs_end_group()
      }
    }
  }

  // MARK: Running

  private func run(_ cell: CellRun) {
    descriptors.restore()
    let run = Run(cell)
    if cell.hasOwnOutput { _ = chs_open_streams(cell.id) } else { chs_begin_main_run(cell.id) }
    let count = runs.withLock { runs in
      runs[cell.id] = run
      return runs.count
    }
    memory.apply(runs: count, stackBytes: Self.stackBytes)
    if count == 1 { chs_reopen_input() }
    let context = Unmanaged.passRetained(CellThread(host: self, run: run))
    let thread = chs_start(
      CHS_CELL, cell.id, Self.stackBytes,
      { Unmanaged<CellThread>.fromOpaque($0!).takeRetainedValue().main() }, context.toOpaque())
    if thread == nil {
      context.release()
      finish(run, .notLoaded("no thread could be started for the cell: \(String(cString: strerror(errno)))"))
    }
  }

  /// Reserved, not used: a cell that recurses deeply gets this far before it is stopped.
  private static let stackBytes = 512 << 20

  fileprivate func body(of run: Run) {
    if run.cell.comm != nil {
      // As with loading: stopped while it holds a lock of the host or of the comms, or waits for one that is then handed
      // to it, the thread would keep every later message waiting. Only the session's own handlers are open to interrupts.
      chs_enter_critical()
      run.isLoaded.store(true, ordering: .relaxed)
      let entry: @convention(c) (Int32, UnsafeMutableRawPointer?) -> Int32 = { _, _ in
        Host.current.withLock { $0 }?.receiveComm()
        return 0
      }
      chs_call_entry(unsafeBitCast(entry, to: UnsafeRawPointer.self))
      finish(run, .completed)
      chs_leave_critical()
      return
    }
    if run.cell.library.isEmpty {
      run.isLoaded.store(true, ordering: .relaxed)
      let entry: @convention(c) (Int32, UnsafeMutableRawPointer?) -> Int32 = { _, _ in
        Host.current.withLock { $0 }?.releaseAll()
        return 0
      }
      chs_call_entry(unsafeBitCast(entry, to: UnsafeRawPointer.self))
      finish(run, .completed)
      return
    }
    // Stopped while it holds the loader's lock, the thread would keep every later cell from being loaded.
    chs_enter_critical()
    let symbol = load(run)
    chs_leave_critical()
    guard let symbol else { return }
    run.isLoaded.store(true, ordering: .relaxed)
    // An interrupt may have come before there was top-level code to ask.
    if run.interrupts.load(ordering: .relaxed) > 0 { chs_ask_to_stop(run.cell.id) }
    // Subshells have threads beside the main one, as other code of a program has.
    if !run.cell.hasOwnOutput { chs_enter_main_actor() }
    chs_call_entry(symbol)
    chs_leave_main_actor()
    // A child that the cell forked has come to the end of the cell's code.
    if chs_is_forked() { chs_end_forked(0) }
    if run.thrown.withLock({ $0 == nil }) {
      variables.dropTasks(of: run.cell.module)
      releaseAll()
    }
    let outcome: RunOutcome =
      if let error = run.thrown.withLock({ $0 }) {
        .threw(
          type: error.type, description: error.description, frames: error.frames,
          reached: Int(chs_marked(run.cell.id)))
      } else if run.hasLeft.load(ordering: .relaxed) {
        .left(reached: Int(chs_marked(run.cell.id)))
      } else {
        .completed
      }
    finish(run, outcome)
  }

  private func receiveComm() {
    let id = chs_current_run()
    guard let message = runs.withLock({ $0[id]?.cell.comm }), let handler = Comms.handler(of: message) else { return }
    chs_leave_critical()
    handler()
    chs_enter_critical()
  }

  /// The cell's entry point; when there is none, the run is over.
  private func load(_ run: Run) -> UnsafeMutableRawPointer? {
    let lent = chs_lend_descriptors()
    let handle = dlopen(run.cell.library, RTLD_NOW | RTLD_GLOBAL)
    let failure = handle == nil ? String(cString: dlerror()) : ""
    let hasDescriptors = chs_take_descriptors_back(lent)
    descriptors.tell(whether: hasDescriptors, limit: lent)
    guard let handle else {
      finish(run, .notLoaded(failure))
      return nil
    }
    guard let symbol = dlsym(handle, run.cell.entry) else {
      finish(run, .notLoaded("the cell has no entry point \(run.cell.entry)"))
      return nil
    }
    chs_register_cell(symbol)
    variables.begin(run.cell.module, object: handle)
    for old in run.cell.replaced { chs_replace_conformances(handle, run.cell.module, old) }
    return symbol
  }

  /// The first caller for a run decides how it ended.
  private func finish(_ run: Run, _ outcome: RunOutcome) {
    guard runs.withLock({ $0.removeValue(forKey: run.cell.id) }) != nil else { return }
    let isInterrupted = run.interrupts.load(ordering: .relaxed) > 0
    var outcome = outcome
    if isInterrupted {
      // However the cell came to its end, it was the user who ended it.
      if outcome == .completed { outcome = .interrupted(frames: [], reached: Int(chs_marked(run.cell.id))) }
    } else {
      chs_clear_interrupt(run.cell.id)
    }
    CellTasks.forget(run: run.cell.id)
    if run.cell.hasOwnOutput { chs_close_streams(run.cell.id) } else { chs_end_main_run(run.cell.id) }
    let stored = run.cell.module.isEmpty ? [] : variables.stored(in: run.cell.module)
    let released = run.releases.withLock { $0.done }
    if !stored.isEmpty || !released.isEmpty {
      send(.variables(run: run.cell.id, stored, released: released))
      if !released.isEmpty { chs_return_freed() }
    }
    send(.finished(run: run.cell.id, outcome))
  }

  // MARK: Values that were declared again

  /// Releases what the calling run has to, of which `isDue` says that it's time.
  private func release(_ run: Run, where isDue: (Release) -> Bool) {
    while true {
      let next = run.releases.withLock { releases -> Release? in
        guard let index = releases.waiting.firstIndex(where: isDue) else { return nil }
        return releases.waiting.remove(at: index)
      }
      guard let next else { return }
      if variables.release(next) { run.releases.withLock { $0.done.append(next) } }
    }
  }

  private func releaseAll() {
    let id = chs_current_run()
    if let run = runs.withLock({ $0[id] }) { release(run) { _ in true } }
  }

  // MARK: Reports of parked threads

  private func watchReports() {
    while true {
      var address: UInt64 = 0
      let n = withUnsafeMutableBytes(of: &address) { read(reports, $0.baseAddress, 8) }
      if n < 0 && errno == EINTR { continue }
      guard n == 8, let pointer = UnsafePointer<chs_report>(bitPattern: UInt(address)) else { _exit(72) }
      handle(pointer)
    }
  }

  private func handle(_ pointer: UnsafePointer<chs_report>) {
    chs_replace_parked_workers()
    chs_release_stack(pointer)
    let id = pointer.pointee.run
    let (run, count) = runs.withLock { ($0[id], $0.count) }
    let reached = Int(chs_marked(id))
    switch pointer.pointee.event {
    case CHS_INTERRUPTED:
      // A job thread was stopped; the cell's own thread waits for it in vain and is stopped as well.
      if let run { finish(run, .interrupted(frames: pointer.frames, reached: reached)) }
    case CHS_EXITED:
      if let run { finish(run, .exited(status: Int(pointer.pointee.exit_status), reached: reached)) }
    case CHS_ABANDONED:
      if let run { finish(run, .inputRefused(reached: reached)) }
    default:
      var trap = pointer.trap(reached: reached)
      if trap.message.contains("Fatal error: failed to allocate")
        || memory.isUsedUp(runs: count, stackBytes: Self.stackBytes)
      {
        trap.memoryLimit = memory.bytes
      }
      // A trap on a thread nobody knows (a dispatch queue's) most likely belongs to the cell that runs: of several,
      // to the main shell's.
      if let run = run ?? (id == 0 ? mainRun : nil) {
        finish(run, .trapped(trap))
      } else {
        send(.backgroundTrap(trap))
      }
      if trap.isFatalToHost { _exit(73) }
    }
  }

  private var mainRun: Run? {
    runs.withLock { runs in
      runs.values.min { ($0.cell.hasOwnOutput ? 1 : 0, $0.cell.id) < ($1.cell.hasOwnOutput ? 1 : 0, $1.cell.id) }
    }
  }

  // MARK: Output

  private func flushOutput() {
    while true {
      usleep(runs.withLock { $0.isEmpty } ? 100_000 : 20_000)
      chs_flush_all_output()
    }
  }

  /// Sends an event whose place among printed text matters, and waits until the kernel has handed it on.
  private func sendInOrder(_ event: (UInt64) -> HostEvent) {
    chs_flush_output()
    let handled = DispatchSemaphore(value: 0)
    chs_enter_critical()
    let number = acknowledgements.withLock { state in
      state.next += 1
      state.waiting[state.next] = handled
      return state.next
    }
    send(event(number))
    chs_leave_critical()
    handled.wait()
  }
}

extension Host: DisplaySink {
  func show(_ bundle: MIMEBundle, id: String?, update: Bool) {
    sendInOrder { .display(run: chs_current_run(), bundle, id: id, update: update, number: $0) }
  }
  func clear(wait: Bool) { sendInOrder { .clearOutput(run: chs_current_run(), wait: wait, number: $0) } }
}

extension Host: CellBridge {
  func result(_ bundle: MIMEBundle) {
    let id = chs_current_run()
    guard let run = runs.withLock({ $0[id] }), run.cell.wantsResult else { return }
    sendInOrder { .result(run: id, bundle, number: $0) }
  }

  /// For C code that reads standard input: a line at a time, in as many parts as it asks for.
  private func readInput(into bytes: UnsafeMutableRawBufferPointer) -> Int {
    if pendingInput.withLock({ $0.isEmpty }) {
      guard let line = readLine(prompt: "") else { return 0 }
      pendingInput.withLock { $0 = Array((line + "\n").utf8) }
    }
    return pendingInput.withLock { pending in
      let count = min(bytes.count, pending.count)
      bytes.copyBytes(from: pending.prefix(count))
      pending.removeFirst(count)
      return count
    }
  }

  func readLine(prompt: String) -> String? {
    let id = chs_current_run()
    guard let run = runs.withLock({ $0[id] }) else { return nil }
    guard run.cell.allowStdin else { chs_park(CHS_ABANDONED, 0, nil) }
    chs_flush_output()
    send(.inputRequest(run: id, prompt: prompt))
    let line = run.input.take()
    // An interrupt is no end of the input: the cell must not go on as if it were.
    if line == nil, run.interrupts.load(ordering: .relaxed) > 0 { chs_park(CHS_INTERRUPTED, 0, nil) }
    return line
  }

  func left() { runs.withLock { $0[chs_current_run()] }?.hasLeft.store(true, ordering: .relaxed) }

  func holds(_ index: Int, _ type: any AnyStoredType.Type) {
    let id = chs_current_run()
    guard let run = runs.withLock({ $0[id] }) else { return }
    variables.note(run.cell.module, index, type)
    release(run) { $0.successor == index }
  }

  func threw(_ error: any Error) {
    let id = chs_current_run()
    guard let run = runs.withLock({ $0[id] }) else { return }
    let thrown = Run.Thrown(error)
    run.thrown.withLock { $0 = thrown }
  }
}

/// What a cell's thread is started with.
private final class CellThread {
  private let host: Host
  private let run: Run
  init(host: Host, run: Run) {
    self.host = host
    self.run = run
  }
  func main() { host.body(of: run) }
}
