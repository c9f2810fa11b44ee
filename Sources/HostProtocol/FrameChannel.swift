import Foundation
import Glibc
import Synchronization

/// What can go wrong on the wire between kernel and host.
package enum ChannelError: Error, Equatable, CustomStringConvertible {
  /// The other side is gone.
  case closed
  /// A length that no sane peer sends.
  case oversized(Int)
  case malformed(String)
  case system(call: String, code: Int32)

  package var description: String {
    switch self {
    case .closed: "the other process closed the channel"
    case .oversized(let bytes): "a frame of \(bytes) bytes was announced; at most \(FrameChannel.limit) are accepted"
    case .malformed(let what): "a frame could not be decoded: \(what)"
    case .system(let call, let code): "\(call) failed: \(String(cString: strerror(code)))"
    }
  }
}

/// Length-prefixed JSON frames over a stream socket: four bytes of big-endian length, then that many bytes.
///
/// Sending is safe from any thread; receiving belongs to one.
package final class FrameChannel: Sendable {
  /// Longest frame in bytes: pictures fit, a hostile or confused length doesn't.
  package static let limit = 512 << 20

  package let descriptor: Int32
  private let sending = Mutex<Void>(())

  package init(descriptor: Int32) { self.descriptor = descriptor }

  package func send(_ message: some Encodable) throws {
    let body = try JSONEncoder().encode(message)
    guard body.count <= Self.limit else { throw ChannelError.oversized(body.count) }
    var frame = Data(capacity: body.count + 4)
    withUnsafeBytes(of: UInt32(body.count).bigEndian) { frame.append(contentsOf: $0) }
    frame.append(body)
    try sending.withLock { _ in try writeAll(frame) }
  }

  /// Waits for the next frame.
  package func receive<Message: Decodable>(_ type: Message.Type) throws -> Message {
    let prefix = try readExactly(4)
    let length = prefix.reduce(0) { $0 << 8 | Int($1) }
    guard length <= Self.limit else { throw ChannelError.oversized(length) }
    let body = try readExactly(length)
    do {
      return try JSONDecoder().decode(type, from: body)
    } catch {
      throw ChannelError.malformed("\(error)")
    }
  }

  private func writeAll(_ data: Data) throws {
    try data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      var sent = 0
      while sent < bytes.count {
        // MSG_NOSIGNAL: a peer that died is an error here, not a signal.
        let n = Glibc.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        if n > 0 {
          sent += n
        } else if errno == EPIPE || errno == ECONNRESET {
          throw ChannelError.closed
        } else if errno != EINTR {
          throw ChannelError.system(call: "send", code: errno)
        }
      }
    }
  }

  private func readExactly(_ count: Int) throws -> Data {
    // Grown as bytes arrive: an announced length alone allocates nothing.
    var data = Data()
    var buffer = [UInt8](repeating: 0, count: min(max(count, 1), 1 << 16))
    while data.count < count {
      let n = read(descriptor, &buffer, min(buffer.count, count - data.count))
      if n > 0 {
        data.append(contentsOf: buffer[..<n])
      } else if n == 0 || errno == ECONNRESET {
        throw ChannelError.closed
      } else if errno != EINTR {
        throw ChannelError.system(call: "read", code: errno)
      }
    }
    return data
  }
}
