package import Foundation
internal import CZeroMQ
#if canImport(Glibc)
  internal import Glibc
#endif
internal import Synchronization

/// One libzmq context; closing it waits until sent messages are out, at most as long as each socket lingers.
package final class SocketContext: @unchecked Sendable {
  /// libzmq's contexts may be used from any thread.
  fileprivate let handle: UnsafeMutableRawPointer

  package init() throws(KernelError) {
    guard let handle = zmq_ctx_new() else { throw Socket.failure("libzmq has no context to give", at: nil) }
    zmq_ctx_set(handle, ZMQ_BLOCKY, 0)
    self.handle = handle
  }

  package func terminate() { zmq_ctx_term(handle) }
}

/// One libzmq socket. It belongs to one thread at a time: whoever runs its loop.
package final class Socket: @unchecked Sendable {
  package enum Kind: Sendable {
    case router, dealer, xpub, sub, rep, req, pair
    fileprivate var value: Int32 {
      switch self {
      case .router: ZMQ_ROUTER
      case .dealer: ZMQ_DEALER
      case .xpub: ZMQ_XPUB
      case .sub: ZMQ_SUB
      case .rep: ZMQ_REP
      case .req: ZMQ_REQ
      case .pair: ZMQ_PAIR
      }
    }
  }

  /// Messages that wait for one slow subscriber. An output batch is at most 256 KiB: 64 MiB at the very most.
  private static let publishedMessagesHeld: Int32 = 256

  /// Uploads of widgets are the largest messages that there are.
  private static let largestFrame = 512 << 20

  /// Used by one thread at a time, which the owner of the socket sees to.
  private let handle: UnsafeMutableRawPointer

  package init(_ kind: Kind, in context: SocketContext) throws(KernelError) {
    guard let handle = zmq_socket(context.handle, kind.value) else {
      throw Self.failure("a socket cannot be made", at: nil)
    }
    self.handle = handle
    set(ZMQ_LINGER, 2000)
    // Nothing is dropped for want of room. Requests and replies are few; what is published is bounded below.
    set(ZMQ_SNDHWM, 0)
    set(ZMQ_RCVHWM, 0)
    limitFrames(to: Self.largestFrame)
    switch kind {
    case .router: set(ZMQ_ROUTER_HANDOVER, 1)
    case .xpub:
      set(ZMQ_XPUB_VERBOSE, 1)
      // A subscription counts from `admit` on, so that nothing can come before its welcome.
      set(ZMQ_XPUB_MANUAL, 1)
      // With a full queue to some subscriber, sending says so instead of dropping: ``SocketLoop`` then waits.
      set(ZMQ_XPUB_NODROP, 1)
      set(ZMQ_SNDHWM, Self.publishedMessagesHeld)
    default: break
    }
  }

  private func set(_ option: Int32, _ value: Int32) {
    var value = value
    zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size)
  }

  /// The name under which a ROUTER knows this socket; set before connecting.
  package func identify(as identity: String) {
    zmq_setsockopt(handle, ZMQ_ROUTING_ID, identity, identity.utf8.count)
  }

  package func subscribe(_ prefix: String = "") { zmq_setsockopt(handle, ZMQ_SUBSCRIBE, prefix, prefix.utf8.count) }

  /// Lets the subscriber that asked last, in the message received last, have what begins with `topic`.
  package func admit(_ topic: Data) {
    _ = topic.withUnsafeBytes { zmq_setsockopt(handle, ZMQ_SUBSCRIBE, $0.baseAddress, $0.count) }
  }

  /// Ends the subscription that the message received last takes back.
  package func dismiss(_ topic: Data) {
    _ = topic.withUnsafeBytes { zmq_setsockopt(handle, ZMQ_UNSUBSCRIBE, $0.baseAddress, $0.count) }
  }

  /// Drops what is unsent on closing, for a client that nobody answers.
  package func lingerNot() { set(ZMQ_LINGER, 0) }

  /// Encrypts all that this socket says, and talks only to clients that know the server's public key.
  package func serve(with keys: CurveKeys) throws(KernelError) {
    var server: Int32 = 1
    guard zmq_has("curve") == 1, zmq_setsockopt(handle, ZMQ_CURVE_SERVER, &server, MemoryLayout<Int32>.size) == 0,
      zmq_setsockopt(handle, ZMQ_CURVE_SECRETKEY, keys.secret, keys.secret.utf8.count) == 0
    else { throw Self.failure("the socket cannot be encrypted with the connection file's keys", at: nil) }
  }

  /// As client of a server that encrypts: `server` is its public key, `keys` the client's own pair.
  package func connectEncrypted(with keys: CurveKeys, to server: String) throws(KernelError) {
    guard zmq_setsockopt(handle, ZMQ_CURVE_SERVERKEY, server, server.utf8.count) == 0,
      zmq_setsockopt(handle, ZMQ_CURVE_PUBLICKEY, keys.public, keys.public.utf8.count) == 0,
      zmq_setsockopt(handle, ZMQ_CURVE_SECRETKEY, keys.secret, keys.secret.utf8.count) == 0
    else { throw Self.failure("the socket cannot be encrypted", at: nil) }
  }

  /// Lets no more than so many received messages wait in this process; set before connecting.
  package func holdAtMost(_ messages: Int32) { set(ZMQ_RCVHWM, messages) }

  /// Messages with a larger frame end their client's connection instead of filling the memory.
  package func limitFrames(to bytes: Int) {
    var bytes = Int64(bytes)
    zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &bytes, MemoryLayout<Int64>.size)
  }

  /// The process's mask for new files is changed while an ipc socket is made: by one thread at a time.
  private static let mask = Mutex<Void>(())

  /// A socket in the file system is made for its owner alone, wherever it lies.
  package func bind(_ address: String) throws(KernelError) {
    if address.hasPrefix("tcp://[") { set(ZMQ_IPV6, 1) }
    let isBound =
      address.hasPrefix("ipc://")
      ? Self.mask.withLock { _ in
        let before = umask(0o077)
        defer { umask(before) }
        return zmq_bind(handle, address) == 0
      } : zmq_bind(handle, address) == 0
    guard isBound else {
      throw Self.failure("the address cannot be bound", at: address)
    }
  }

  package func connect(_ address: String) throws(KernelError) {
    if address.hasPrefix("tcp://[") { set(ZMQ_IPV6, 1) }
    guard zmq_connect(handle, address) == 0 else {
      throw Self.failure("the address cannot be connected", at: address)
    }
  }

  /// The address after a bind to port 0 or `*`.
  package var boundAddress: String {
    var buffer = [UInt8](repeating: 0, count: 512)
    var size = buffer.count
    guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &buffer, &size) == 0 else { return "" }
    return String(decoding: buffer[..<max(0, size - 1)], as: UTF8.self)
  }

  /// Sends all frames as one message.
  /// - Returns: `false`, and nothing is sent, when a subscriber's queue is full.
  @discardableResult
  package func send(_ frames: [Data]) throws(KernelError) -> Bool {
    for (index, frame) in frames.enumerated() {
      // Only the first frame can find a queue full: the others belong to a message that was let in.
      let flags = (index + 1 < frames.count ? ZMQ_SNDMORE : 0) | (index == 0 ? ZMQ_DONTWAIT : 0)
      while true {
        let sent = frame.withUnsafeBytes { zmq_send(handle, $0.baseAddress, $0.count, flags) }
        if sent >= 0 { break }
        if zmq_errno() == EINTR { continue }
        if zmq_errno() == EAGAIN, index == 0 { return false }
        throw Self.failure("a message cannot be sent", at: nil)
      }
    }
    return true
  }

  /// Publishes to those subscribers that have room. The others lose this message and all that follow until they have
  /// read half of what waits for them.
  package func sendDroppingStalled(_ frames: [Data]) throws(KernelError) {
    set(ZMQ_XPUB_NODROP, 0)
    defer { set(ZMQ_XPUB_NODROP, 1) }
    try send(frames)
  }

  /// The frames of the next message, or `nil` when none is waiting.
  package func receive() throws(KernelError) -> [Data]? {
    var frames: [Data] = []
    while true {
      var message = zmq_msg_t()
      zmq_msg_init(&message)
      defer { zmq_msg_close(&message) }
      let got = zmq_msg_recv(&message, handle, frames.isEmpty ? ZMQ_DONTWAIT : 0)
      if got < 0 {
        switch zmq_errno() {
        case EAGAIN: return nil
        case EINTR: continue
        default: throw Self.failure("a message cannot be received", at: nil)
        }
      }
      if let bytes = zmq_msg_data(&message) {
        frames.append(Data(bytes: bytes, count: zmq_msg_size(&message)))
      } else {
        frames.append(Data())
      }
      if zmq_msg_more(&message) == 0 { return frames }
    }
  }

  /// Waits until one of `sockets` has a message; `nil` as timeout waits for ever.
  /// - Returns: the indices of the sockets that have one.
  package static func poll(_ sockets: [Socket], timeout: Duration? = nil) throws(KernelError) -> [Int] {
    var items = sockets.map { zmq_pollitem_t(socket: $0.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0) }
    let milliseconds =
      timeout.map { Int($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000) } ?? -1
    let ready = zmq_poll(&items, Int32(items.count), milliseconds)
    if ready < 0 {
      if zmq_errno() == EINTR { return [] }
      throw failure("waiting for messages failed", at: nil)
    }
    return items.indices.filter { items[$0].revents & Int16(ZMQ_POLLIN) != 0 }
  }

  /// Waits until this socket has a message or `descriptor` can be read.
  /// - Parameter milliseconds: the longest wait; -1 waits without limit.
  package func wait(
    orReadable descriptor: Int32, milliseconds: Int = -1
  ) throws(KernelError) -> (socket: Bool, wake: Bool) {
    var items = [
      zmq_pollitem_t(socket: handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0),
      zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0),
    ]
    guard zmq_poll(&items, 2, milliseconds) >= 0 else {
      if zmq_errno() == EINTR { return (false, false) }
      throw Self.failure("waiting for messages failed", at: nil)
    }
    return (items[0].revents & Int16(ZMQ_POLLIN) != 0, items[1].revents & Int16(ZMQ_POLLIN) != 0)
  }

  package func close() { zmq_close(handle) }

  fileprivate static func failure(_ what: String, at location: String?) -> KernelError {
    let code = zmq_errno()
    return KernelError(
      .socket, what, at: location, found: String(cString: zmq_strerror(code)),
      nextStep: code == EADDRINUSE ? "another process has the port; let Jupyter choose new ports" : nil)
  }
}
