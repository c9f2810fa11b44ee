import Foundation
import Synchronization

/// Standard output of every command. What can't be written is an error: a cut file never goes with exit code 0.
package enum StandardOutput {
  /// What is not handed to the system yet.
  private static let waiting = Mutex<[UInt8]>([])

  /// Called once, before anything is opened.
  ///
  /// A closed standard stream gets a place. Otherwise the next file that is opened would become standard output, and
  /// results would be written into it. A reader that goes away is an error of the write, not the end of the process; the
  /// handler is empty and not `SIG_IGN`, because programs that this one starts would inherit that.
  package static func prepare() {
    for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
    where fcntl(descriptor, F_GETFD) == -1 { _ = open("/dev/null", mode) }
    var nothing = sigaction()
    nothing.__sigaction_handler.sa_handler = { _ in }
    nothing.sa_flags = SA_RESTART
    _ = sigaction(SIGPIPE, &nothing, nil)
  }

  /// Throws where nothing could be written anyhow, so that no work is done in vain.
  package static func check() throws(OutputError) {
    let flags = fcntl(STDOUT_FILENO, F_GETFL)
    if flags == -1 || flags & O_ACCMODE == O_RDONLY { throw OutputError(number: EBADF) }
  }

  package static func line(_ text: String) throws(OutputError) { try write(text + "\n") }

  package static func write(_ text: String) throws(OutputError) {
    let isMuch = waiting.withLock { bytes in
      bytes += text.utf8
      return bytes.count > 1 << 16
    }
    if isMuch { try flush() }
  }

  /// Hands everything to the system, for whoever reads along.
  package static func flush() throws(OutputError) {
    let bytes = waiting.withLock { waiting in
      let all = waiting
      waiting = []
      return all
    }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw OutputError(number: count == 0 ? EIO : errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// The last word. Some file systems say only when a file is closed that it was not written.
  package static func finish() throws(OutputError) {
    try flush()
    guard close(STDOUT_FILENO) == 0 || errno == EINTR else { throw OutputError(number: errno) }
  }
}

/// Standard error: progress and messages, for which there is no other place if they can't be written.
package enum StandardError {
  package static let isTerminal = isatty(STDERR_FILENO) == 1

  package static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  package static func line(_ text: String) { write(text + "\n") }
}

/// Standard output couldn't be written.
package struct OutputError: Error, CustomStringConvertible {
  /// What the system says, as `errno`.
  let number: Int32

  package var isReaderGone: Bool { number == EPIPE }

  package var description: String {
    let (cause, next) =
      switch number {
      case EPIPE: ("the program that read it is gone", "let the reader read to the end, or write to a file: > FILE")
      case EBADF: ("it is closed, or open for reading only", "send it somewhere: > FILE, or > /dev/null")
      case ENOSPC, EDQUOT:
        (String(cString: strerror(number)), "make room, or write to another disk, and run the same command again")
      default: (String(cString: strerror(number)), "write to another place and run the same command again")
      }
    return "standard output cannot be written: \(cause)\n  next:     \(next)"
  }
}
