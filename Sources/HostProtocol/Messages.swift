package import Foundation
package import NotebookDisplay

/// What the kernel process asks of the cell host.
package enum HostRequest: Codable, Sendable, Equatable {
  /// Loads a cell's shared object and runs its entry point. Answered by exactly one `HostEvent.finished`.
  case run(CellRun)
  /// Stops a run, keeping every variable. The second request for the same run insists.
  case interrupt(run: UInt64)
  /// A line for the run that asked; `nil` is the end of input.
  case inputReply(run: UInt64, line: String?)
  /// The kernel has handed on everything up to the display or result that carried this number.
  case acknowledge(UInt64)
  /// How far the running cells have come: answered by `HostEvent.progress` with the same number.
  case progress(UInt64)
  /// A cell begins beside this run: what the run would release may be used by it.
  case keep(run: UInt64)
  /// Where the process works and with which environment: answered by `HostEvent.surroundings` with the same number.
  case surroundings(UInt64)
  case shutdown
}

/// The value of a variable that nothing can reach any more.
package struct Release: Codable, Sendable, Hashable {
  package var module: String
  package var name: String
  /// The variable's number in its cell.
  package var index: Int
  /// The variable of the running cell that takes its place: the old value goes as soon as there is a new one. `nil` to
  /// wait for the cell's end.
  package var successor: Int?

  package init(module: String, name: String, index: Int, successor: Int? = nil) {
    self.module = module
    self.name = name
    self.index = index
    self.successor = successor
  }
}

/// A variable that has its value.
package struct StoredVariable: Codable, Sendable, Equatable {
  package var index: Int
  package var type: String
  /// Its values refer to nothing that could be released.
  package var isTrivial: Bool

  package init(index: Int, type: String, isTrivial: Bool) {
    self.index = index
    self.type = type
    self.isTrivial = isTrivial
  }
}

package struct CellRun: Codable, Sendable, Equatable {
  /// Number of this run, never used twice.
  package var id: UInt64
  /// Absolute path of the shared object.
  package var library: String
  /// Symbol of the entry point.
  package var entry: String
  package var allowStdin: Bool
  /// Whether the trailing expression's value is sent as a result.
  package var wantsResult: Bool
  /// Whether what the cell prints comes as `HostEvent.output` instead of through the process's pipes, so that the
  /// text of cells which run at the same time stays apart.
  package var hasOwnOutput: Bool
  /// The cell's module, and older ones whose conformances it states anew: values made before use the new ones too.
  package var module: String
  package var replaced: [String]
  /// Whether the cell's top-level code may catch an error that an `await` throws.
  package var catchesErrors: Bool
  /// A message for a handler of the session's code, in place of a cell to load.
  package var comm: CommMessage?
  /// Values to release; all there is to do when there is no library.
  package var releases: [Release]

  package init(
    id: UInt64, library: String, entry: String, allowStdin: Bool, wantsResult: Bool,
    hasOwnOutput: Bool = false, module: String = "", replaced: [String] = [],
    catchesErrors: Bool = true, comm: CommMessage? = nil, releases: [Release] = []
  ) {
    self.id = id
    self.library = library
    self.entry = entry
    self.allowStdin = allowStdin
    self.wantsResult = wantsResult
    self.hasOwnOutput = hasOwnOutput
    self.module = module
    self.replaced = replaced
    self.catchesErrors = catchesErrors
    self.comm = comm
    self.releases = releases
  }
}

/// What the cell host tells the kernel process.
package enum HostEvent: Codable, Sendable, Equatable {
  /// The engine is loaded and runs are accepted.
  case ready
  /// Of the run whose thread shows it, 0 for a thread that works for none. Waits for `acknowledge(number)`, so that
  /// text printed before and after keeps its place.
  case display(run: UInt64, MIMEBundle, id: String?, update: Bool, number: UInt64)
  case clearOutput(run: UInt64, wait: Bool, number: UInt64)
  case result(run: UInt64, MIMEBundle, number: UInt64)
  case comm(run: UInt64, CommMessage, number: UInt64)
  case inputRequest(run: UInt64, prompt: String)
  /// A run with streams of its own has sent all that it printed; waits for `acknowledge(number)`.
  case printed(number: UInt64)
  /// Bytes that a run with `hasOwnOutput` printed, or a thread whose run is over.
  case output(run: UInt64, isError: Bool, Data)
  /// By run: the steps of its top-level code that are done; -1 while it's being loaded.
  case progress(UInt64, reached: [UInt64: Int])
  case surroundings(UInt64, Surroundings)
  case finished(run: UInt64, RunOutcome)
  /// Comes before `finished`: the run's variables that have a value, and what was released.
  case variables(run: UInt64, [StoredVariable], released: [Release])
  /// A thread left over from an earlier cell trapped; no run of now is touched.
  case backgroundTrap(Trap)
}

/// How a run ended.
package enum RunOutcome: Codable, Sendable, Equatable {
  case completed
  /// The cell ended well, before its last steps: the variables that they would declare don't exist.
  case left(reached: Int)
  /// An error reached the top level.
  /// - frames: where it was thrown, as far as that is known.
  case threw(type: String, description: String, frames: [Frame], reached: Int)
  case trapped(Trap)
  case interrupted(frames: [Frame], reached: Int)
  /// `exit(status)` was called.
  case exited(status: Int, reached: Int)
  /// The shared object couldn't be loaded.
  case notLoaded(String)
  /// `readLine()` was called where the client takes no input.
  case inputRefused(reached: Int)
}

/// A thread that hit a trap or a deadly signal and was parked.
package struct Trap: Codable, Sendable, Equatable {
  /// The run whose code trapped.
  package var run: UInt64
  package var signal: Int
  /// What the Swift runtime or the C library said, as they said it.
  package var message: String
  package var faultAddress: UInt64
  package var isStackOverflow: Bool
  /// Asynchronous code rather than the cell's own thread.
  package var isAsynchronous: Bool
  /// The host can't go on after this one and has ended itself.
  package var isFatalToHost: Bool
  package var frames: [Frame]
  /// How many of the cell's variable declarations were reached.
  package var reached: Int
  /// Set when more memory was asked for than the host may have: that limit in bytes.
  package var memoryLimit: UInt64?

  package init(
    run: UInt64, signal: Int, message: String, faultAddress: UInt64, isStackOverflow: Bool, isAsynchronous: Bool,
    isFatalToHost: Bool, frames: [Frame], reached: Int, memoryLimit: UInt64? = nil
  ) {
    self.run = run
    self.signal = signal
    self.message = message
    self.faultAddress = faultAddress
    self.isStackOverflow = isStackOverflow
    self.isAsynchronous = isAsynchronous
    self.isFatalToHost = isFatalToHost
    self.frames = frames
    self.reached = reached
    self.memoryLimit = memoryLimit
  }
}

/// One call frame, innermost first in lists.
package struct Frame: Codable, Sendable, Equatable {
  /// Path of the loaded object, as the loader knows it.
  package var image: String
  /// Offset in that object, of the instruction that runs or of the call.
  package var offset: UInt64
  /// Mangled name, when the object exports one there.
  package var symbol: String?

  package init(image: String, offset: UInt64, symbol: String?) {
    self.image = image
    self.offset = offset
    self.symbol = symbol
  }
}
