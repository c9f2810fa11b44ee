internal import Foundation
internal import Glibc
internal import Synchronization

/// What `usage_request` tells, with the fields that ipykernel gives and jupyter-resource-usage shows: this process and
/// all that it started, from /proc.
package struct Usage: Encodable, Sendable {
  package struct Memory: Encodable, Sendable {
    package var total: Int
    package var available: Int
    package var used: Int
    package var free: Int
    package var percent: Double
  }
  package var status = "ok"
  package var hostname: String
  package var pid: Int
  /// Percent of one core since the last request, or since the session began: above 100 when several cores worked.
  package var kernel_cpu: Double
  /// Resident bytes.
  package var kernel_memory: Int
  package var cpu_count: Int
  /// Percent of all cores, over the same time.
  package var host_cpu_percent: Double
  package var host_virtual_memory: Memory
}

/// Remembers what was used at the last request, so that the next one tells of the time between.
package final class UsageMeter: Sendable {
  private struct Reading {
    var time = ContinuousClock.now
    /// Ticks by process, and those of the machine: all, and at work.
    var ticks: [Int: Double] = [:]
    var machine = (all: 0.0, busy: 0.0)
  }
  private let last: Mutex<Reading>
  private static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
  private static let pageSize = max(1, sysconf(Int32(_SC_PAGESIZE)))
  private static let ownPID = Int(getpid())

  package init() { last = Mutex(Self.reading(of: Self.processes())) }

  package func read() -> Usage {
    let processes = Self.processes()
    let now = Self.reading(of: processes)
    let (cpu, host) = last.withLock { last -> (Double, Double) in
      defer { last = now }
      // A process that is new since the last request began with nothing.
      let ticks = now.ticks.reduce(0) { $0 + max(0, $1.value - (last.ticks[$1.key] ?? 0)) }
      let elapsed = max(0.001, (now.time - last.time).milliseconds / 1000)
      let all = now.machine.all - last.machine.all
      let host = all > 0 ? 100 * (now.machine.busy - last.machine.busy) / all : 0
      return (100 * ticks / Self.ticksPerSecond / elapsed, min(100, max(0, host)))
    }
    return Usage(
      hostname: ProcessInfo.processInfo.hostName, pid: Self.ownPID, kernel_cpu: cpu,
      kernel_memory: processes.reduce(0) { $0 + Self.residentBytes(of: $1) },
      cpu_count: ProcessInfo.processInfo.activeProcessorCount, host_cpu_percent: host,
      host_virtual_memory: Self.memory())
  }

  /// Linux lists a child under the thread that started it, which need not be the first.
  package static func children(of pid: Int) -> [Int] {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    return threads.flatMap { text("/proc/\(pid)/task/\($0)/children").split(separator: " ").compactMap { Int($0) } }
  }

  /// This process, its children, theirs, and so on.
  private static func processes() -> [Int] {
    var all = [ownPID]
    var next = 0
    while next < all.count {
      all += children(of: all[next])
      next += 1
    }
    return all
  }

  private static func reading(of processes: [Int]) -> Reading {
    var reading = Reading()
    for pid in processes { reading.ticks[pid] = ticks(of: pid) }
    // "cpu" and ticks of user, nice, system, idle, waiting for input and output, …
    let machine = text("/proc/stat").prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap { Double($0) }
    let all = machine.prefix(8).reduce(0, +)
    reading.machine = (all, all - machine.dropFirst(3).prefix(2).reduce(0, +))
    return reading
  }

  /// User and system ticks: fields 14 and 15, counted from the process's id; the name, field 2, may hold anything.
  private static func ticks(of pid: Int) -> Double {
    let stat = text("/proc/\(pid)/stat")
    guard let end = stat.lastIndex(of: ")") else { return 0 }
    let fields = stat[stat.index(after: end)...].split(separator: " ").dropFirst(11).prefix(2)
    return fields.compactMap { Double($0) }.reduce(0, +)
  }

  private static func residentBytes(of pid: Int) -> Int {
    let pages = text("/proc/\(pid)/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return (pages ?? 0) * pageSize
  }

  private static func memory() -> Usage.Memory {
    var bytes: [Substring: Int] = [:]
    for line in text("/proc/meminfo").split(separator: "\n") {
      let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
      if words.count >= 2, let kibibytes = Int(words[1]) { bytes[words[0]] = kibibytes << 10 }
    }
    let total = bytes["MemTotal"] ?? 0
    let available = bytes["MemAvailable"] ?? 0
    return Usage.Memory(
      total: total, available: available, used: total - available, free: bytes["MemFree"] ?? 0,
      percent: total > 0 ? 100 * Double(total - available) / Double(total) : 0)
  }

  private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
