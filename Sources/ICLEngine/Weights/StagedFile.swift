package import Foundation

/// A file that is written beside its place and moved there when it is whole: a reader sees the old file or the new one,
/// and what was begun and not finished is removed.
package final class StagedFile {
  /// Links followed: the file that they lead to is replaced, not the link.
  private let path: String
  private let staged: String
  private var descriptor: Int32
  private var isFinished = false

  /// - Throws: `unreadableFile` when the place can't be written, or is a folder, a device or a pipe
  package init(path: String) throws(EngineError) {
    try Self.check(path, at: path)
    let place = URL(filePath: path).resolvingSymlinksInPath().path
    self.path = place
    staged = "\(place).\(getpid())-\(UInt32.random(in: 0...UInt32.max)).part"
    descriptor = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.unwritable(path, errno) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isFinished { unlink(staged) }
  }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw Self.unwritable(path, written == 0 ? EIO : errno) }
      rest = rest.dropFirst(written)
    }
  }

  /// Puts the file in its place.
  package func finish() throws(EngineError) {
    // Some file systems say only now that a write failed.
    let isClosed = close(descriptor) == 0 || errno == EINTR
    let number = errno
    descriptor = -1
    guard isClosed else { throw Self.unwritable(path, number) }
    guard rename(staged, path) == 0 else { throw Self.unwritable(path, errno) }
    isFinished = true
  }

  /// Writes a whole file.
  package static func write(_ data: Data, to path: String) throws(EngineError) {
    let file = try StagedFile(path: path)
    let result = data.withUnsafeBytes { bytes in Result { () throws(EngineError) in try file.append(bytes) } }
    try result.get()
    try file.finish()
  }

  /// Throws unless a file can be written at `path`.
  /// - Parameter location: what the error says
  package static func check(_ path: String, at location: String) throws(EngineError) {
    func refuse(_ found: String, _ expected: String, next: String) -> EngineError {
      EngineError(
        .unreadableFile, "the file cannot be written", at: location, expected: expected, found: found, nextStep: next)
    }
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw refuse(path.isEmpty ? "nothing" : "the name of a folder", "the name of a file", next: "name a file")
    }
    let place = URL(filePath: path).resolvingSymlinksInPath().path
    switch FileKind(place) {
    case .file:
      if access(place, W_OK) != 0 { throw unwritable(location, errno) }
    case .absent: break
    case .folder: throw refuse("a folder", "a file, or a name that is free", next: "name a file in it")
    case .special:
      throw refuse("a device, a pipe or a socket", "a file, or a name that is free", next: "name a file")
    }
    let parent = URL(filePath: place).deletingLastPathComponent().path
    switch FileKind(parent) {
    case .folder: break
    case .absent: throw refuse("no folder \(parent)", "a folder that is there", next: "make it: mkdir -p '\(parent)'")
    case .file, .special:
      throw refuse("\(parent), which is no folder", "a folder that is there", next: "choose another path")
    }
    if access(parent, W_OK | X_OK) != 0 { throw unwritable(location, errno) }
  }

  fileprivate static func unwritable(_ path: String, _ number: Int32) -> EngineError {
    EngineError(
      .unreadableFile, "the file cannot be written", at: path, found: String(cString: strerror(number)),
      nextStep: "check the folder, its permissions and the free space")
  }
}

/// Files of one folder that appear together: written to a folder beside it, or in it where it is there already, and
/// moved when all are whole. What was begun and not finished is removed.
package final class StagedFolder {
  private let target: String
  /// Where the files are written.
  package let path: String
  private let isNew: Bool
  private var isFinished = false

  /// - Throws: `unreadableFile` when the folder can't be made or written
  package init(path: String) throws(EngineError) {
    try Self.check(path, at: path)
    target = URL(filePath: path, directoryHint: .isDirectory).path
    isNew = FileKind(target) == .absent
    let mark = "\(getpid())-\(UInt32.random(in: 0...UInt32.max)).part"
    self.path = isNew ? "\(target).\(mark)" : "\(target)/.\(mark)"
    do {
      try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    } catch {
      throw EngineError(
        .unreadableFile, "the folder cannot be made", at: path, nextStep: "check the path and its permissions",
        underlying: error)
    }
  }

  deinit { if !isFinished { try? FileManager.default.removeItem(atPath: path) } }

  /// Moves the files to their place; files of the same names are replaced, others stay.
  package func finish() throws(EngineError) {
    if isNew, rename(path, target) == 0 {
      isFinished = true
      return
    }
    do {
      try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
      for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
        let place = "\(target)/\(name)"
        if FileKind(place) == .folder { try FileManager.default.removeItem(atPath: place) }
        guard rename("\(path)/\(name)", place) == 0 else { throw StagedFile.unwritable(place, errno) }
      }
    } catch let error as EngineError { throw error } catch {
      throw EngineError(
        .unreadableFile, "the folder cannot be written", at: target, nextStep: "check its permissions",
        underlying: error)
    }
  }

  /// Throws unless files can be written to a folder at `path`, which may be absent.
  package static func check(_ path: String, at location: String) throws(EngineError) {
    func refuse(_ found: String, next: String) -> EngineError {
      EngineError(
        .unreadableFile, "the folder cannot be written", at: location, expected: "a folder, or a name that is free",
        found: found, nextStep: next)
    }
    guard !path.isEmpty else { throw refuse("nothing", next: "name a folder") }
    var place = URL(filePath: path, directoryHint: .isDirectory).standardizedFileURL.resolvingSymlinksInPath()
    while true {
      switch FileKind(place.path) {
      case .folder:
        if access(place.path, W_OK | X_OK) != 0 {
          throw refuse(
            "\(place.path): \(String(cString: strerror(errno)))", next: "check its permissions, or choose another path")
        }
        return
      case .file, .special: throw refuse("\(place.path), which is no folder", next: "choose another path")
      case .absent:
        guard place.path.count > 1 else { return }
        place.deleteLastPathComponent()
      }
    }
  }
}

/// What lies at a path, links followed.
enum FileKind {
  case absent, file, folder, special

  init(_ path: String) {
    var entry = stat()
    guard stat(path, &entry) == 0 else {
      self = .absent
      return
    }
    switch entry.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .special
    }
  }
}
