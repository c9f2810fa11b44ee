/// Byte-pair merging by rank (Sennrich et al. 2016): of all neighbours that may be joined, the pair that was learnt
/// first is joined first, the leftmost of equals, until none is left.
struct RankedMerges: Sendable {
  /// For a pair of tokens: its place in the list of merges, and the token that it becomes.
  private var pairs: [UInt64: (rank: Int32, token: Int32)] = [:]

  /// Which of two merges of the same pair counts.
  enum Duplicates: Sendable {
    /// The first, as llama.cpp has it.
    case first
    /// The last, as Hugging Face's `tokenizers` has it.
    case last
  }

  init(minimumCapacity: Int) { pairs.reserveCapacity(minimumCapacity) }

  var count: Int { pairs.count }

  mutating func add(_ left: Int, _ right: Int, rank: Int, becomes token: Int, duplicates: Duplicates) {
    let key = Self.key(left, right)
    if duplicates == .first, pairs[key] != nil { return }
    pairs[key] = (Int32(rank), Int32(token))
  }

  /// Every merge: `(left, right, rank, joined)`, by rank.
  var list: [(left: Int, right: Int, rank: Int, token: Int)] {
    pairs.map { key, merge in
      (Int(key >> 32), Int(key & 0xffff_ffff), Int(merge.rank), Int(merge.token))
    }.sorted { $0.rank < $1.rank }
  }

  private static func key(_ left: Int, _ right: Int) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  private struct Pair: Comparable {
    let rank: Int32
    let left: Int
    let joined: Int32
    static func < (a: Pair, b: Pair) -> Bool { (b.rank, b.left) < (a.rank, a.left) }
    static func == (a: Pair, b: Pair) -> Bool { (a.rank, a.left) == (b.rank, b.left) }
  }

  private struct Symbol {
    var token: Int
    var previous: Int
    var next: Int
    var isGone = false
  }

  /// Joins a word's first tokens as far as the merges go. O(n log n).
  ///
  /// A queued pair that has changed meanwhile still counts when what now stands there becomes the same token: so does
  /// `tokenizers`.
  func join(_ tokens: [Int]) -> [Int] {
    guard tokens.count > 1 else { return tokens }
    var symbols: [Symbol] = []
    symbols.reserveCapacity(tokens.count)
    for (index, token) in tokens.enumerated() {
      symbols.append(Symbol(token: token, previous: index - 1, next: index + 1))
    }
    symbols[symbols.count - 1].next = -1
    var queue = PriorityQueue<Pair>()
    func offer(_ left: Int, _ right: Int) {
      guard left >= 0, right >= 0 else { return }
      if let merge = pairs[Self.key(symbols[left].token, symbols[right].token)] {
        queue.insert(Pair(rank: merge.rank, left: left, joined: merge.token))
      }
    }
    for right in 1..<symbols.count { offer(right - 1, right) }
    while let pair = queue.popGreatest() {
      guard !symbols[pair.left].isGone, case let right = symbols[pair.left].next, right >= 0,
        let merge = pairs[Self.key(symbols[pair.left].token, symbols[right].token)], merge.token == pair.joined
      else { continue }
      symbols[pair.left].token = Int(pair.joined)
      symbols[right].isGone = true
      let next = symbols[right].next
      symbols[pair.left].next = next
      if next >= 0 { symbols[next].previous = pair.left }
      offer(symbols[pair.left].previous, pair.left)
      offer(pair.left, next)
    }
    var result: [Int] = []
    var index = 0
    while index >= 0 {
      result.append(symbols[index].token)
      index = symbols[index].next
    }
    return result
  }
}
