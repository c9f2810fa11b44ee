/// Turns the bytes of one pipe into text that never splits a character.
package struct OutputDecoder: Sendable {
  private var pending: [UInt8] = []

  package init() {}

  /// The complete characters so far; the bytes of an unfinished one wait for the next call. Bytes that are no UTF-8
  /// become U+FFFD.
  package mutating func decode(_ bytes: some Collection<UInt8>) -> String {
    pending.append(contentsOf: bytes)
    let keep = Self.unfinished(pending)
    let text = String(decoding: pending[..<(pending.count - keep)], as: UTF8.self)
    pending.removeFirst(pending.count - keep)
    return text
  }

  /// What is left at the end of the stream.
  package mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// How many bytes at the end begin a sequence that isn't complete.
  private static func unfinished(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0b1100_0000 == 0b1000_0000 { continue }
      let length =
        byte & 0b1110_0000 == 0b1100_0000
        ? 2 : byte & 0b1111_0000 == 0b1110_0000 ? 3 : byte & 0b1111_1000 == 0b1111_0000 ? 4 : 1
      return length > back ? back : 0
    }
    return 0
  }
}

/// What came from the two pipes and waits to be handed on, in the order in which it came: the host sees to it that this
/// is the order in which it was printed (`CHostSupport/order.c`).
package struct PrintedText: Sendable {
  private var pieces: [(name: StreamName, text: String)] = []
  private var decoders = (out: OutputDecoder(), error: OutputDecoder())
  private var bytes = 0
  /// When it has to be handed on.
  package private(set) var deadline: ContinuousClock.Instant?

  /// Longest wait before text that arrived is handed on, so that many small writes become few messages.
  private static let batch = Duration.milliseconds(25)
  private static let batchBytes = 1 << 18
  /// Each change of stream makes a message. Clients limit how many they take in a second, so a cell that changes all the
  /// time gets its text in two parts. The host waits for no more changes than these.
  private static let changes = 16

  package init() {}

  package var isLong: Bool { bytes >= Self.batchBytes }

  package mutating func append(_ new: some Collection<UInt8>, of name: StreamName) {
    add(name == .stdout ? decoders.out.decode(new) : decoders.error.decode(new), to: name)
    bytes += new.count
    if deadline == nil { deadline = .now + Self.batch }
  }

  /// No rest comes for what is an unfinished character now.
  package mutating func finish() {
    add(decoders.out.finish(), to: .stdout)
    add(decoders.error.finish(), to: .stderr)
  }

  package mutating func take() -> [(name: StreamName, text: String)] {
    defer { (pieces, bytes, deadline) = ([], 0, nil) }
    return pieces
  }

  private mutating func add(_ text: String, to name: StreamName) {
    guard !text.isEmpty else { return }
    let isFull = pieces.count > Self.changes
    if let last = isFull ? pieces.lastIndex(where: { $0.name == name }) : pieces.indices.last,
      pieces[last].name == name
    {
      pieces[last].text += text
    } else {
      pieces.append((name, text))
    }
  }
}
