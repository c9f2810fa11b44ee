import Foundation
import Glibc

/// The folder in which a session's cells are compiled: private, and gone when the session is.
///
/// The session holds a lock on a file in it for as long as it lives, whatever ends it. A folder whose lock can be had
/// is a leftover: unlike the number of a process, a lock is not given to somebody else later, and it means the same to
/// kernels of different containers that share the folder above.
final class SessionFolder: Sendable {
  let path: String
  private let lock: Int32

  /// Makes `icl-session-<pid>-XXXXXX` in `parent` with mode 0700, and removes those of kernels that were killed.
  init(in parent: String) throws {
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    Self.sweep(parent)
    let prefix = (parent as NSString).appendingPathComponent("icl-session-\(getpid())-XXXXXX")
    var template = prefix.utf8CString.map { $0 }
    guard let made = mkdtemp(&template) else { throw posixError("mkdtemp \(prefix)") }
    path = String(cString: made)
    lock = open(Self.lockFile(path), O_CREAT | O_RDONLY | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw posixError("open \(Self.lockFile(path))") }
    // A file system without locks: the folder is then as safe as its age makes it.
    _ = flock(lock, LOCK_EX | LOCK_NB)
  }

  /// Everything in it, the folder itself last. Safe to call twice.
  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// Removes the cells that were compiled here.
  func removeCells() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
      // A cell's folder, its module and what goes with it.
      if CellModule.isName(name.prefix { $0 != "." }), !name.hasPrefix(CellModule.prelude) {
        try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
      }
    }
  }

  private static func lockFile(_ folder: String) -> String { folder + "/session.lock" }

  private static func sweep(_ parent: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
      let parts = name.split(separator: "-")
      guard parts.count == 4, name.hasPrefix("icl-session-"), Int32(parts[2]) != nil else { continue }
      let folder = (parent as NSString).appendingPathComponent(name)
      var status = stat()
      // Another user's stays, and so does a link that somebody put there.
      guard lstat(folder, &status) == 0, status.st_uid == getuid(), status.st_mode & S_IFMT == S_IFDIR else { continue }
      if isLeftover(folder, status) { try? FileManager.default.removeItem(atPath: folder) }
    }
  }

  private static func isLeftover(_ folder: String, _ status: stat) -> Bool {
    let file = open(lockFile(folder), O_RDONLY | O_CLOEXEC)
    // Without its lock's file it was left half made, or is being made just now.
    guard file >= 0 else { return time(nil) - status.st_mtim.tv_sec > 600 }
    defer { close(file) }
    return flock(file, LOCK_EX | LOCK_NB) == 0
  }
}
