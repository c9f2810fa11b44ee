import Foundation

/// Shares the cases among worker processes and writes down what happens to these.
final class Campaign {
  struct Finding {
    let number: Int
    let seed: String
    let what: String
  }

  struct Summary {
    var accepted = 0
    var refused = 0
    var longest = 0
    var longestNumber = 0
    var growth = 0
    var findings: [Finding] = []
  }

  private final class Running {
    let process: Process
    let page: ProgressPage
    let folder: URL
    let range: Range<Int>
    /// The case that was at work when it was last looked at, and since when.
    var seen = (number: -1, since: Date())
    init(process: Process, page: ProgressPage, folder: URL, range: Range<Int>) {
      (self.process, self.page, self.folder, self.range) = (process, page, folder, range)
    }
  }

  private let plan: Plan
  private let arguments: [String]
  private let folder: URL
  private var waiting: [Range<Int>]
  private var workers: [Running] = []
  private var started = 0
  private(set) var summary = Summary()

  /// - Parameter arguments: what makes the same plan in a worker
  init(plan: Plan, workers: Int, arguments: [String]) throws {
    (self.plan, self.arguments) = (plan, arguments)
    // Files in memory where there is such a place: they are written and read a million times.
    let memory = URL(filePath: "/dev/shm")
    let base = FileManager.default.isWritableFile(atPath: memory.path) ? memory : FileManager.default.temporaryDirectory
    folder = base.appending(path: "icl-fuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let size = max(1, min(50_000, (plan.count + workers - 1) / workers))
    waiting = stride(from: 0, to: plan.count, by: size).map { $0..<min(plan.count, $0 + size) }.reversed()
    for _ in 0..<workers { try startNext() }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Waits for all cases. `progress` is called about every ten seconds with the number of cases done.
  func run(progress: (Int) -> Void) throws {
    var told = Date()
    while !workers.isEmpty {
      usleep(20_000)
      for worker in workers { try look(at: worker) }
      if Date().timeIntervalSince(told) > 10 {
        told = Date()
        let now = workers.reduce(0) { $0 + $1.page[.accepted] + $1.page[.refused] }
        progress(summary.accepted + summary.refused + now)
      }
    }
  }

  private func startNext() throws {
    guard let range = waiting.popLast() else { return }
    started += 1
    let place = folder.appending(path: "\(started)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let page = try ProgressPage(path: place.appending(path: "progress").path)
    page[.number] = -1
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      arguments + ["--worker", place.path, "--from", "\(range.lowerBound)", "--to", "\(range.upperBound)"]
    // A trap's backtrace takes longer than ten thousand cases.
    process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    let words = place.appending(path: "errors")
    try Data().write(to: words)
    process.standardError = try FileHandle(forWritingTo: words)
    try process.run()
    workers.append(Running(process: process, page: page, folder: place, range: range))
  }

  private func look(at worker: Running) throws {
    if worker.process.isRunning {
      let number = worker.page[.number]
      if number != worker.seen.number { worker.seen = (number, Date()) }
      let time = (processTime(of: worker.process.processIdentifier) ?? 0) - worker.page[.began]
      let waited = Date().timeIntervalSince(worker.seen.since)
      // A worker notes cases over a second itself; one that takes ten, or sleeps for two minutes, won't come back.
      guard number >= 0, time > 10 * Worker.longest || waited > 120 else { return }
      kill(worker.process.processIdentifier, SIGKILL)
      worker.process.waitUntilExit()
      try ended(worker, because: time > 10 * Worker.longest ? "does not end" : "sleeps and does not end")
    } else if worker.process.terminationReason == .uncaughtSignal {
      try ended(worker, because: "ended by signal \(worker.process.terminationStatus)")
    } else if worker.process.terminationStatus == Worker.restart {
      try ended(worker, because: nil)
    } else if worker.process.terminationStatus != 0 {
      try ended(worker, because: "ended with \(worker.process.terminationStatus)")
    } else {
      try ended(worker, because: nil)
    }
  }

  private func ended(_ worker: Running, because reason: String?) throws {
    workers.removeAll { $0 === worker }
    let page = worker.page
    summary.accepted += page[.accepted]
    summary.refused += page[.refused]
    if page[.longest] > summary.longest {
      (summary.longest, summary.longestNumber) = (page[.longest], page[.longestNumber])
    }
    summary.growth = max(summary.growth, page[.growth])
    let notes = (try? String(contentsOf: worker.folder.appending(path: "findings"), encoding: .utf8)) ?? ""
    for line in notes.split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 2).map(String.init)
      if parts.count == 3, let number = Int(parts[0]) {
        summary.findings.append(Finding(number: number, seed: parts[1], what: parts[2]))
      }
    }
    let number = page[.number]
    if let reason {
      let words = (try? String(contentsOf: worker.folder.appending(path: "errors"), encoding: .utf8)) ?? ""
      guard number >= worker.range.lowerBound else {
        throw Target.Surprise(what: "a worker \(reason) before its first case: \(words.prefix(2000))")
      }
      let seed = plan.seeds[plan.make(number).seed].name
      let last = words.split(separator: "\n").prefix(2).joined(separator: " / ")
      summary.findings.append(Finding(number: number, seed: seed, what: "\(reason): \(last.prefix(400))"))
    }
    try? FileManager.default.removeItem(at: worker.folder)
    // The findings of a run are of use as long as they are few.
    guard summary.findings.count < 200 else {
      waiting = []
      return
    }
    if number + 1 < worker.range.upperBound { waiting.append(number + 1..<worker.range.upperBound) }
    try startNext()
  }
}
