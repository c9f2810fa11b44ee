package import Foundation
internal import COpenSSL
package import Synchronization

/// Signs and checks messages with HMAC-SHA256 over their four dictionaries, as received.
///
/// Holds nothing but the key, and so may be used from any thread.
package struct Signer: Sendable {
  private let key: [UInt8]

  /// An empty key means unsigned messages, as the specification has it.
  package init(key: String) { self.key = Array(key.utf8) }

  package var isEnabled: Bool { !key.isEmpty }

  /// Lower-case hexadecimal digest of `parts` in order; empty when unsigned.
  package func signature(of parts: [Data]) -> [UInt8] {
    guard isEnabled else { return [] }
    var message = Data()
    for part in parts { message.append(part) }
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    let done = message.withUnsafeBytes { bytes in
      HMAC(
        EVP_sha256(), key, Int32(key.count), bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &digest,
        &length)
    }
    guard done != nil else { return [] }
    return digest[..<Int(length)].flatMap { [Self.hex[Int($0 >> 4)], Self.hex[Int($0 & 15)]] }
  }

  /// Compares in constant time. Unsigned sessions accept anything.
  package func accepts(_ signature: Data, for parts: [Data]) -> Bool {
    guard isEnabled else { return true }
    let expected = self.signature(of: parts)
    guard !expected.isEmpty, expected.count == signature.count else { return false }
    return signature.withUnsafeBytes { CRYPTO_memcmp(expected, $0.baseAddress, expected.count) == 0 }
  }

  private static let hex = Array("0123456789abcdef".utf8)
}

/// Remembers signatures that were accepted, so that a recorded message can't be played again.
/// Bounded: beyond `capacity` the oldest half is forgotten.
package struct ReplayMemory: Sendable {
  private var order: [Data] = []
  private var seen: Set<Data> = []
  private let capacity: Int

  package init(capacity: Int = 65_536) { self.capacity = capacity }

  /// `false` when the signature was accepted before.
  package mutating func admit(_ signature: Data) -> Bool {
    guard seen.insert(signature).inserted else { return false }
    order.append(signature)
    if order.count > capacity {
      for old in order.prefix(capacity / 2) { seen.remove(old) }
      order.removeFirst(capacity / 2)
    }
    return true
  }
}

/// One memory for all channels of a session: what was recorded on one must not be accepted on another.
package final class SharedReplayMemory: Sendable {
  package let memory = Mutex(ReplayMemory())
  package init() {}
}
