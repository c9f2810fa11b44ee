import Foundation

/// Runs a range of cases in a process of its own, so that a crash ends this process and nothing else.
struct Worker {
  let plan: Plan
  let range: Range<Int>
  let folder: URL

  /// A case may take the CPU for this long (in nanoseconds) …
  static let longest = 1_000_000_000
  /// … and hold this much memory beyond the size of its file.
  static let mostMemory = 64 << 20
  /// How a worker ends that must be started anew: its peak of memory would hide those of later cases.
  static let restart: Int32 = 3

  func run() throws {
    let page = try ProgressPage(path: folder.appending(path: "progress").path)
    let log = try FileHandle(forWritingTo: Self.created(folder.appending(path: "findings")))
    try log.seekToEnd()
    for (index, seed) in plan.seeds.enumerated() {
      try FileManager.default.createDirectory(at: place(index), withIntermediateDirectories: true)
      for file in seed.files { try write(file.bytes.bytes, to: place(index).appending(path: file.name)) }
    }
    // Once through the small valid files: threads and tables are there before anything is measured.
    var largest = 0
    for (index, seed) in plan.seeds.enumerated() {
      let size = seed.files.reduce(0) { $0 + $1.bytes.bytes.count }
      if size < 50_000, try Target.run(seed, in: place(index)) == .refused, !seed.isRefused {
        throw Target.Surprise(what: "the valid file \(seed.name) is refused; see EngineFuzzer --seeds")
      }
      largest = max(largest, size)
    }
    let before = try Self.forgetPeak()
    try Self.limitAddressSpace(to: Self.addressSpace() + Self.mostMemory + 4 * largest)

    for number in range {
      let made = plan.make(number)
      let seed = plan.seeds[made.seed]
      let path = place(made.seed).appending(path: seed.files[made.file].name)
      try write(made.bytes, to: path)
      let began = processTime()
      page[.began] = began
      page[.number] = number
      func report(_ what: String) { log.write(Data("\(number)\t\(seed.name)\t\(what)\n".utf8)) }
      do {
        switch try Target.run(seed, in: place(made.seed)) {
        case .accepted: page[.accepted] += 1
        case .refused: page[.refused] += 1
        }
      } catch {
        report("\(error)")
      }
      let time = processTime() - began
      if time > page[.longest] { (page[.longest], page[.longestNumber]) = (time, number) }
      if time > Self.longest { report("took \(time / 1_000_000) ms of CPU time") }
      let growth = Self.peakMemory() - before
      page[.growth] = max(page[.growth], growth)
      if seed.files.count > 1 { try write(seed.files[made.file].bytes.bytes, to: path) }
      if growth > made.bytes.count + Self.mostMemory {
        report("took \(growth >> 20) MB for a file of \(made.bytes.count) bytes")
        exit(Self.restart)
      }
    }
    page[.number] = range.upperBound
  }

  private func place(_ seed: Int) -> URL { folder.appending(path: "\(seed)") }

  private static func created(_ url: URL) throws -> URL {
    if !FileManager.default.fileExists(atPath: url.path) { try Data().write(to: url) }
    return url
  }

  /// In place: a file in memory, where creating one costs more than writing it.
  private func write(_ bytes: [UInt8], to url: URL) throws {
    let descriptor = open(url.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw Target.Surprise(what: "can't write \(url.path): \(String(cString: strerror(errno)))")
    }
    close(descriptor)
  }

  /// Makes what is resident now the peak.
  private static func forgetPeak() throws -> Int {
    try Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    return peakMemory()
  }

  /// The most resident memory so far, in bytes.
  private static func peakMemory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }

  /// Bytes of address space in use.
  private static func addressSpace() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (text.split(separator: " ").first.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
  }

  /// Memory that is asked for and never touched counts too: beyond this, allocation fails and the process ends.
  private static func limitAddressSpace(to bytes: Int) throws {
    var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
    guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else {
      throw Target.Surprise(what: "the limit of the address space can't be set")
    }
    limit = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
  }
}
