import CHostSupport
import Foundation
import HostProtocol

extension Surroundings {
  /// This process's own: cells may have changed them.
  static var current: Surroundings {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let folder = getcwd(&path, path.count).map { String(cString: $0) }
    // "/tmp/work (deleted)"
    let link = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/cwd")) ?? ""
    let mark = " (deleted)"
    let former = link.hasSuffix(mark) ? String(link.dropLast(mark.count)) : link
    // A folder outside this process's root has a path that isn't one.
    let isReachable = folder?.hasPrefix("/") ?? false
    return Surroundings(
      folder: isReachable ? folder : nil, formerFolder: former, environment: environmentVariables)
  }

  private static var environmentVariables: [String: String] {
    var count = 0
    guard let block = chs_copy_environment(&count) else { return [:] }
    defer { free(block) }
    let bytes = UnsafeRawBufferPointer(start: block, count: count)
    var variables: [String: String] = [:]
    for entry in bytes.split(separator: 0) {
      // A name may begin with "=", but isn't empty.
      guard let equals = entry.dropFirst().firstIndex(of: UInt8(ascii: "=")) else { continue }
      let name = String(decoding: entry[entry.startIndex..<equals], as: UTF8.self)
      if variables[name] == nil { variables[name] = String(decoding: entry[(equals + 1)...], as: UTF8.self) }
    }
    return variables
  }
}
