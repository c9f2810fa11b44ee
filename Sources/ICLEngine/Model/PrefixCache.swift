import Synchronization

/// Keys and values of beginnings that earlier passes computed, for later passes to continue from: instruction,
/// demonstrations, whole prompts. A tree by token ids; the least recently used branches go when room runs out.
///
/// What is read from the cache has the same bits as what would be computed. One cache serves one model, with any
/// adapters; adapters that differ in a bit share nothing.
public final class PrefixCache: Sendable {
  /// Bytes of keys and values that are kept at most.
  public let byteLimit: Int
  private let state = Mutex(State())

  /// What a cache has done since it was made.
  public struct Statistics: Sendable, Equatable, Codable {
    /// Tokens that passes took from the cache.
    public var reused = 0
    /// Tokens that passes computed.
    public var computed = 0
    /// Bytes kept now.
    public var byteCount = 0
    public init() {}
  }

  public init(byteLimit: Int = 512 << 20) { self.byteLimit = byteLimit }

  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// Forgets everything.
  public func removeAll() { state.withLock { $0 = State() } }

  /// A stretch of tokens without a branch. Its rows end at row `end` of `segment`; a chain's last link is enough where
  /// neighbours share a segment.
  private final class Node {
    var tokens: ArraySlice<Int>
    let segment: KeyValueSegment
    var end: Int
    var children: [Int: Node] = [:]
    /// `nil` at a root.
    weak var parent: Node?
    /// The tree at whose root it stands or hangs.
    let tree: Int
    var lastUse: UInt64

    init(tokens: ArraySlice<Int>, segment: KeyValueSegment, end: Int, parent: Node?, tree: Int, lastUse: UInt64) {
      self.tokens = tokens
      self.segment = segment
      self.end = end
      self.parent = parent
      self.tree = tree
      self.lastUse = lastUse
    }
  }

  /// A leaf in the order in which leaves go. Each leaf stands in the queue at least once, with the use that was its last
  /// when it was put there: one used since then is put back when it comes up.
  private struct Leaf: Comparable {
    /// `nil` once it is removed.
    weak var node: Node?
    let lastUse: UInt64
    /// Decides between equals, so that the order is the same in every run.
    let serial: UInt64

    static func < (a: Leaf, b: Leaf) -> Bool { (b.lastUse, b.serial) < (a.lastUse, a.serial) }
    static func == (a: Leaf, b: Leaf) -> Bool { a.serial == b.serial }
  }

  private struct State: @unchecked Sendable {
    // Unchecked: nodes are reached only through the mutex.
    var trees: [(adapter: LoRAAdapter?, roots: [Int: Node])] = []
    var model: ObjectIdentifier?
    var clock: UInt64 = 0
    var statistics = Statistics()
    var bytesPerToken = 0
    var leaves = PriorityQueue<Leaf>()
    var serial: UInt64 = 0

    mutating func queue(_ node: Node) {
      serial += 1
      leaves.insert(Leaf(node: node, lastUse: node.lastUse, serial: serial))
    }
  }

  /// The longest beginning of `tokens` that is known.
  func lookUp(_ tokens: [Int], adapter: LoRAAdapter?) -> [KeyValueLink] {
    state.withLock { state in
      guard let tree = state.trees.first(where: { $0.adapter == adapter }) else { return [] }
      state.clock += 1
      var chain: [KeyValueLink] = []
      var at = 0
      var children = tree.roots
      while at < tokens.count, let node = children[tokens[at]] {
        node.lastUse = state.clock
        let shared = zip(node.tokens, tokens[at...]).prefix { $0 == $1 }.count
        let link = KeyValueLink(segment: node.segment, count: node.end - node.tokens.count + shared)
        if chain.last?.segment === node.segment { chain.removeLast() }
        chain.append(link)
        at += shared
        if shared < node.tokens.count { break }
        children = node.children
      }
      return chain
    }
  }

  /// Keeps a chain that covers all of `tokens`.
  func insert(_ tokens: [Int], _ chain: [KeyValueLink], adapter: LoRAAdapter?, bytesPerToken: Int) {
    state.withLock { state in
      state.clock += 1
      state.bytesPerToken = bytesPerToken
      if !state.trees.contains(where: { $0.adapter == adapter }) { state.trees.append((adapter, [:])) }
      guard let tree = state.trees.firstIndex(where: { $0.adapter == adapter }) else { return }
      var parent: Node?
      var at = 0
      while at < tokens.count {
        guard let node = parent.map({ $0.children[tokens[at]] }) ?? state.trees[tree].roots[tokens[at]] else {
          // New from here on: one node for each link that lies beyond.
          for link in chain where link.segment.start + link.count > at {
            let end = link.segment.start + link.count
            let node = Node(
              tokens: tokens[at..<end], segment: link.segment, end: link.count, parent: parent, tree: tree,
              lastUse: state.clock)
            if let parent { parent.children[tokens[at]] = node } else { state.trees[tree].roots[tokens[at]] = node }
            state.statistics.byteCount += node.tokens.count * bytesPerToken
            parent = node
            at = end
          }
          if let parent { state.queue(parent) }
          break
        }
        node.lastUse = state.clock
        let shared = zip(node.tokens, tokens[at...]).prefix { $0 == $1 }.count
        at += shared
        if shared < node.tokens.count {
          if at == tokens.count { break }
          // The node is cut in two where the ways part.
          let rest = Node(
            tokens: node.tokens.dropFirst(shared), segment: node.segment, end: node.end, parent: node, tree: tree,
            lastUse: node.lastUse)
          rest.children = node.children
          for child in rest.children.values { child.parent = rest }
          if rest.children.isEmpty { state.queue(rest) }
          node.end -= node.tokens.count - shared
          node.tokens = node.tokens.prefix(shared)
          if let first = rest.tokens.first { node.children = [first: rest] }
        }
        parent = node
      }
      evict(&state)
    }
  }

  func count(reused: Int, computed: Int) {
    state.withLock {
      $0.statistics.reused += reused
      $0.statistics.computed += computed
    }
  }

  /// Takes the cache for one model. Throws when another model used it before.
  func claim(for model: LlamaModel) throws(EngineError) {
    let mine = state.withLock { state in
      if state.model == nil { state.model = ObjectIdentifier(model) }
      return state.model == ObjectIdentifier(model)
    }
    guard mine else {
      throw EngineError(
        .invalidArgument, "a prefix cache serves one model", at: "prefix cache",
        expected: "the model that used it first",
        found: "another model", nextStep: "make a PrefixCache for each model")
    }
  }

  /// Removes the leaves that were used longest ago until the limit holds. Amortized O(log n) for each: a leaf is put back
  /// at most once for each time it was used.
  private func evict(_ state: inout State) {
    while state.statistics.byteCount > byteLimit, let leaf = state.leaves.popGreatest() {
      guard let node = leaf.node, node.children.isEmpty else { continue }
      if node.lastUse != leaf.lastUse {
        state.queue(node)
        continue
      }
      guard let first = node.tokens.first else { continue }
      if let parent = node.parent {
        parent.children[first] = nil
        if parent.children.isEmpty { state.queue(parent) }
      } else {
        state.trees[node.tree].roots[first] = nil
      }
      state.statistics.byteCount -= node.tokens.count * state.bytesPerToken
    }
  }
}
