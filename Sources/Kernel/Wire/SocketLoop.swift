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
    /// Of messages that have not gone into the socket yet, those that the loop holds included.
    var bytes = 0
    /// Those who wait until everything that had arrived before has been handed on.
    var waitingForReceived: [DispatchSemaphore] = []
    /// Those who wait until everything before them has gone into the socket.
    var waitingForSent: [DispatchSemaphore] = []
    var waitingForRoom: [DispatchSemaphore] = []
    var started = false
    var stopping = false
    var closed = false
  }

  /// Output waits above this many unsent bytes; what steers the session never waits.
  private static let roomForOutput = 16 << 20
  private let patience: Duration

  /// - Parameter patience: a subscriber that takes nothing for so long loses output instead of holding up everyone.
  package init(_ socket: Socket, name: String, patience: Duration = .seconds(10)) throws(KernelError) {
    self.socket = socket
    self.name = name
    self.patience = patience
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw KernelError(.socket, "no pipe can be opened", found: String(cString: strerror(errno)))
    }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    (wake, bell) = (ends[0], ends[1])
  }

  /// - Parameter receive: called on the loop's thread; it must not block for long. The socket is its to use until it
  ///   returns.
  package func start(receive: @escaping @Sendable ([Data], Socket) -> Void) {
    outgoing.withLock { $0.started = true }
    let thread = Thread { [self] in run(receive) }
    thread.name = name
    thread.stackSize = 1 << 20
    thread.start()
  }

  package func send(_ frames: [Data]) { outgoing.withLock { add(frames, to: &$0) } }

  /// Sends in order with ``send(_:)``, but holds the caller while much is still unsent: the back-pressure that keeps
  /// memory flat when a cell prints faster than clients read.
  package func sendWhenRoom(_ frames: [Data]) {
    while true {
      let wait = outgoing.withLock { state -> DispatchSemaphore? in
        guard state.bytes > Self.roomForOutput, !state.stopping, !state.closed else {
          add(frames, to: &state)
          return nil
        }
        let semaphore = DispatchSemaphore(value: 0)
        state.waitingForRoom.append(semaphore)
        return semaphore
      }
      guard let wait else { return }
      wait.wait()
    }
  }

  /// Returns when every message that had arrived at the time of the call was handed to `receive`.
  package func waitUntilReceived() { wait(among: \.waitingForReceived, until: .distantFuture) }

  /// Returns when everything whose sending was asked for before the call has gone into the socket, or after `patience`.
  package func waitUntilSent(patience: DispatchTimeInterval) { wait(among: \.waitingForSent, until: .now() + patience) }

  private func wait(among waiting: WritableKeyPath<Outgoing, [DispatchSemaphore]>, until end: DispatchTime) {
    let done = DispatchSemaphore(value: 0)
    let isOpen = outgoing.withLock { state in
      guard !state.closed else { return false }
      state[keyPath: waiting].append(done)
      ring()
      return true
    }
    if isOpen { _ = done.wait(timeout: end) }
  }

  /// Sends what is queued, closes the socket and ends the thread. Returns when that is done.
  package func stop() {
    let started = outgoing.withLock { state in
      state.stopping = true
      Self.giveRoom(&state)
      if !state.closed { ring() }
      return state.started
    }
    if !started { close() }
    ended.wait()
    ended.signal()
  }

  private func add(_ frames: [Data], to state: inout Outgoing) {
    guard !state.closed else { return }
    if state.messages.isEmpty { ring() }
    state.messages.append(frames)
    state.bytes += Self.size(frames)
  }

  /// Called with the lock held and the pipe open, so that it cannot be closed meanwhile.
  private func ring() {
    var one: UInt8 = 1
    _ = write(bell, &one, 1)
  }

  private static func giveRoom(_ state: inout Outgoing) {
    for semaphore in state.waitingForRoom { semaphore.signal() }
    state.waitingForRoom = []
  }

  private static func size(_ frames: [Data]) -> Int { frames.reduce(0) { $0 + $1.count } }

  // MARK: The loop's thread

  private func run(_ receive: @Sendable ([Data], Socket) -> Void) {
    defer { close() }
    var unsent = Unsent()
    while true {
      let (messages, waiting, stopping) = outgoing.withLock { state in
        defer { (state.messages, state.waitingForReceived, state.waitingForSent) = ([], [], []) }
        unsent.waiting += state.waitingForSent
        return (state.messages, state.waitingForReceived, state.stopping)
      }
      unsent.add(messages)
      let isAllSent = send(&unsent, isLast: stopping)
      if isAllSent { unsent.tellWaiting() }
      if !waiting.isEmpty {
        // Bounded, since a flooding client must not keep others waiting.
        receiveWaiting(atMost: 10_000, receive)
        for semaphore in waiting { semaphore.signal() }
      }
      if stopping, isAllSent, messages.isEmpty, waiting.isEmpty { return }
      if stopping { continue }
      guard let arrived = try? socket.wait(orReadable: wake, milliseconds: isAllSent ? -1 : 2) else { return }
      if arrived.wake {
        var rings = [UInt8](repeating: 0, count: 4096)
        _ = read(wake, &rings, rings.count)
      }
      // A bounded run of messages, so that a flood cannot keep replies from leaving.
      if arrived.socket { receiveWaiting(atMost: 64, receive) }
    }
  }

  private func receiveWaiting(atMost limit: Int, _ receive: @Sendable ([Data], Socket) -> Void) {
    for _ in 0..<limit {
      guard let frames = try? socket.receive() else { return }
      receive(frames, socket)
    }
  }

  /// What the loop took over and could not send yet, because a subscriber's queue is full.
  private struct Unsent {
    private var messages: [[Data]] = []
    private var next = 0
    var fullSince: ContinuousClock.Instant?
    /// Signalled once nothing is left to send.
    var waiting: [DispatchSemaphore] = []

    var first: [Data]? { next < messages.count ? messages[next] : nil }
    mutating func add(_ more: [[Data]]) { messages += more }
    mutating func tellWaiting() {
      for semaphore in waiting { semaphore.signal() }
      waiting = []
    }
    mutating func removeFirst() {
      messages[next] = []
      next += 1
      if next == messages.count || next == 4096 {
        messages.removeFirst(next)
        next = 0
      }
    }
  }

  /// - Parameter isLast: the session ends; nobody is waited for.
  /// - Returns: whether nothing is left to send.
  private func send(_ unsent: inout Unsent, isLast: Bool) -> Bool {
    while let frames = unsent.first {
      // A message that cannot be sent at all (its client is gone) is nobody's any more.
      if (try? socket.send(frames)) == false {
        let since = unsent.fullSince ?? .now
        unsent.fullSince = since
        guard isLast || ContinuousClock.now - since > patience else { return false }
        try? socket.sendDroppingStalled(frames)
      }
      unsent.fullSince = nil
      unsent.removeFirst()
      outgoing.withLock { state in
        state.bytes -= Self.size(frames)
        if state.bytes <= Self.roomForOutput { Self.giveRoom(&state) }
      }
    }
    return true
  }

  private func close() {
    outgoing.withLock { state in
      guard !state.closed else { return }
      socket.close()
      state.closed = true
      Self.giveRoom(&state)
      for semaphore in state.waitingForReceived + state.waitingForSent { semaphore.signal() }
      Glibc.close(wake)
      Glibc.close(bell)
    }
    ended.signal()
  }
}
