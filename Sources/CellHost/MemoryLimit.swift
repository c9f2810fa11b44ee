import CHostSupport
import Foundation

/// How much memory cells may use, so that one that allocates without end gets an error where the machine would
/// otherwise swap, drop the pages of every program, and kill one of them.
///
/// The limit is on private writable memory (`RLIMIT_DATA`): `malloc` is refused, the Swift runtime traps, and the
/// thread is parked like any other that traps. Mapped files, as a model's weights, don't count.
struct MemoryLimit: Sendable {
  /// `ICL_CELL_MEMORY` in gigabytes (10⁹ bytes); without it, nine tenths of what the machine or the container has.
  let bytes: UInt64

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    if let text = environment["ICL_CELL_MEMORY"], let gigabytes = Double(text), gigabytes > 0, gigabytes < 1e9 {
      bytes = UInt64(gigabytes * 1e9)
    } else {
      let machine = Self.number(in: "/proc/meminfo", after: "MemTotal:").map { $0 << 10 } ?? 1 << 34
      let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .compactMap { Self.number(in: $0, after: "") }.min()
      bytes = min(machine, container ?? .max) / 10 * 9
    }
  }

  /// Sets the limit for `runs` cells at a time. What earlier cells hold may exceed it: some room is always left, so
  /// that a cell can let go of it.
  func apply(runs: Int, stackBytes: Int) {
    let stacks = UInt64(runs * stackBytes) + Self.room
    _ = chs_limit_memory(max(bytes + stacks, Self.inUse + stacks))
  }

  /// Whether little more can be had.
  func isUsedUp(runs: Int, stackBytes: Int) -> Bool { Self.inUse + Self.room / 4 > bytes + UInt64(runs * stackBytes) }

  /// For threads of the runtime and for getting going again.
  private static let room: UInt64 = 256 << 20

  /// What the limit is compared with, in bytes.
  private static var inUse: UInt64 { number(in: "/proc/self/status", after: "VmData:").map { $0 << 10 } ?? 0 }

  private static func number(in path: String, after label: String) -> UInt64? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    guard let start = label.isEmpty ? text.startIndex : text.firstRange(of: label)?.upperBound else { return nil }
    return UInt64(text[start...].drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber })
  }
}
