import Foundation

/// A file that is written beside its place and moved there when it is whole: a reader sees the old file or the new one,
/// and what was begun and not finished is removed.
final class StagedFile {
  private let path: String
  private let staged: String
  private let descriptor: Int32
  private var isFinished = false

  /// - Throws: `unreadableFile` when the folder can't be written
  init(path: String) throws(EngineError) {
    self.path = path
    staged = "\(path).\(getpid())-\(UInt32.random(in: 0...UInt32.max)).part"
    descriptor = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.unwritable(path) }
  }

  deinit {
    guard !isFinished, descriptor >= 0 else { return }
    close(descriptor)
    unlink(staged)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw Self.unwritable(path) }
      rest = rest.dropFirst(written)
    }
  }

  /// Puts the file in its place.
  func finish() throws(EngineError) {
    guard rename(staged, path) == 0 else { throw Self.unwritable(path) }
    isFinished = true
    // Some file systems say only now that a write failed.
    guard close(descriptor) == 0 else { throw Self.unwritable(path) }
  }

  private static func unwritable(_ path: String) -> EngineError {
    EngineError(
      .unreadableFile, "the file cannot be written", at: path, found: String(cString: strerror(errno)),
      nextStep: "check the folder and the free space")
  }
}
