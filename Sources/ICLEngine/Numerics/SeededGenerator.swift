/// A small counter-based generator (SplitMix64: Steele, Lea, Flood 2014): the same seed gives the same draws on
/// every machine and in every release of ours. All random choices of the engine come from one of these.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Codable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  /// An independent stream for a named part of the work, so that adding draws in one part leaves others alone.
  public init(seed: UInt64, stream: String) {
    // FNV-1a of the name, mixed with the seed.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    state = seed ^ hash
    _ = next()
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in `[0, 1)`, 53 random bits. (The standard library's `random(in:)` may change between releases.)
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in `0..<bound`, without modulo bias beyond 2⁻⁶⁴ (Lemire's multiply-shift).
  public mutating func index(below bound: Int) -> Int {
    precondition(bound > 0)
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Fisher–Yates.
  public mutating func shuffled<T>(_ items: [T]) -> [T] {
    var result = items
    guard result.count > 1 else { return result }
    for i in stride(from: result.count - 1, to: 0, by: -1) { result.swapAt(i, index(below: i + 1)) }
    return result
  }
}
