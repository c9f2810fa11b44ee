import Foundation
import Glibc

/// The folder in which a session's cells are compiled: private, and gone when the session is.
final class SessionFolder: Sendable {
  let path: String

  /// Makes `icl-session-<pid>-XXXXXX` in `parent` with mode 0700, and removes those of kernels that were killed.
  init(in parent: String) throws {
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    Self.sweep(parent)
    let prefix = (parent as NSString).appendingPathComponent("icl-session-\(getpid())-XXXXXX")
    var template = prefix.utf8CString.map { $0 }
    guard let made = mkdtemp(&template) else { throw posixError("mkdtemp \(prefix)") }
    path = String(cString: made)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  private static func sweep(_ parent: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
      let parts = name.split(separator: "-")
      guard parts.count == 4, name.hasPrefix("icl-session-"), let pid = Int32(parts[2]) else { continue }
      // Another user's folder stays: it can't be removed anyway.
      if kill(pid, 0) != 0 && errno == ESRCH {
        try? FileManager.default.removeItem(atPath: (parent as NSString).appendingPathComponent(name))
      }
    }
  }
}
