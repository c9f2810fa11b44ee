internal import Foundation

/// What `usage_request` tells (jupyter-resource-usage shows it): this process and its host, from /proc.
package struct Usage: Encodable {
  var status = "ok"
  var hostname: String
  var pid: Int
  var kernel_cpu: Double
  var kernel_memory: Int
  var cpu_count: Int

  static func current() -> Usage {
    let ownPID = Int(ProcessInfo.processInfo.processIdentifier)
    let processes = [ownPID] + children(of: ownPID)
    let used = processes.map(usage)
    return Usage(
      hostname: ProcessInfo.processInfo.hostName, pid: ownPID,
      kernel_cpu: used.reduce(0) { $0 + $1.cpu }, kernel_memory: used.reduce(0) { $0 + $1.memory },
      cpu_count: ProcessInfo.processInfo.activeProcessorCount)
  }

  /// Linux lists a child under the thread that started it, which need not be the first.
  package static func children(of pid: Int) -> [Int] {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    return threads.flatMap { thread -> [Int] in
      let path = "/proc/\(pid)/task/\(thread)/children"
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      return text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    }
  }

  /// Percent of one core since the process began, and resident bytes.
  private static func usage(of pid: Int) -> (cpu: Double, memory: Int) {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")"),
      let uptimeText = try? String(contentsOfFile: "/proc/uptime", encoding: .utf8),
      let uptime = uptimeText.split(separator: " ").first.flatMap({ Double($0) })
    else { return (0, 0) }
    // Fields after the name: state is number 3; 14 and 15 are user and system ticks, 22 the start, 24 pages.
    let fields = text[text.index(after: end)...].split(separator: " ")
    func field(_ number: Int) -> Double { number - 3 < fields.count ? Double(fields[number - 3]) ?? 0 : 0 }
    let ticks = 100.0
    let lived = max(0.01, uptime - field(22) / ticks)
    return (100 * (field(14) + field(15)) / ticks / lived, Int(field(24)) * 4096)
  }
}
