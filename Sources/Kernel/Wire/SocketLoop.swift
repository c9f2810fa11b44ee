package import Foundation
internal import CZeroMQ
internal import Glibc
internal import Synchronization

/// A thread that owns one socket: it hands arriving messages to `receive` and sends what others put in its queue.
///
/// Anyone may call ``send(_:)`` from any thread; messages leave in the order of the calls.
package final class SocketLoop: @unchecked Sendable {
  /// Touched only by the loop's own thread after ``start(receive:)``.
  private let socket: Socket
  private let name: String
  /// Protected by its own lock.
  private let outgoing = Mutex<Outgoing>(Outgoing())
  /// A pipe that wakes the loop: reading end and writing end, both non-blocking, safe from any thread.
  private let wake: Int32
  private let bell: Int32
  private let ended = DispatchSemaphore(value: 0)

  private struct Outgoing {
    var messages: [[Data]] = []
    var stopping = false
    var closed = false
  }

  package init(_ socket: Socket, name: String) {
    self.socket = socket
    self.name = name
    var ends: [Int32] = [-1, -1]
    _ = pipe(&ends)
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    (wake, bell) = (ends[0], ends[1])
  }

  /// - Parameter receive: called on the loop's thread; it must not block for long.
  package func start(receive: @escaping @Sendable ([Data]) -> Void) {
    let thread = Thread { [self] in run(receive) }
    thread.name = name
    thread.stackSize = 1 << 20
    thread.start()
  }

  package func send(_ frames: [Data]) {
    outgoing.withLock {
      $0.messages.append(frames)
      ring($0)
    }
  }

  /// Sends what is queued, closes the socket and ends the thread. Returns when that is done.
  package func stop() {
    outgoing.withLock {
      $0.stopping = true
      ring($0)
    }
    ended.wait()
    ended.signal()
  }

  /// Called with the lock held, so that the pipe cannot be closed meanwhile.
  private func ring(_ state: borrowing Outgoing) {
    guard !state.closed else { return }
    var one: UInt8 = 1
    _ = write(bell, &one, 1)
  }

  private func run(_ receive: @Sendable ([Data]) -> Void) {
    defer {
      socket.close()
      outgoing.withLock {
        $0.closed = true
        Glibc.close(wake)
        Glibc.close(bell)
      }
      ended.signal()
    }
    while true {
      let (messages, stopping) = outgoing.withLock { state in
        defer { state.messages = [] }
        return (state.messages, state.stopping)
      }
      for frames in messages { try? socket.send(frames) }
      if stopping, messages.isEmpty { return }
      if !messages.isEmpty { continue }
      guard let arrived = try? socket.wait(orReadable: wake) else { return }
      if arrived.wake {
        var rings = [UInt8](repeating: 0, count: 4096)
        _ = read(wake, &rings, rings.count)
      }
      if arrived.socket {
        // A bounded run of messages, so that a flood cannot keep replies from leaving.
        for _ in 0..<64 {
          guard let frames = try? socket.receive() else { break }
          receive(frames)
        }
      }
    }
  }
}
