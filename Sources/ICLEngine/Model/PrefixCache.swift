import Synchronization

/// Keys and values of beginnings that earlier passes computed, for later passes to continue from: instruction,
/// demonstrations, whole prompts; beside them the states and logits that were captured there. A tree by token ids; the
/// least recently used branches go when room runs out.
///
/// What is read from the cache has the same bits as what would be computed. One cache serves one model, with any
/// adapters; adapters that differ in a bit share nothing.
public final class PrefixCache: Sendable {
  /// Bytes of keys, values and states that are kept at most.
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
    /// The slice's indices are positions.
    var tokens: ArraySlice<Int>
    /// What was captured at positions of `tokens`.
    var states: [Int: States] = [:]
    let segment: KeyValueSegment
    var end: Int
    var children: [Int: Node] = [:]
    var lastUse: UInt64

    init(tokens: ArraySlice<Int>, segment: KeyValueSegment, end: Int, lastUse: UInt64) {
      self.tokens = tokens
      self.segment = segment
      self.end = end
      self.lastUse = lastUse
    }
  }

  /// What was captured at one position.
  struct States {
    var rows: [HiddenStates.Key: [Float]] = [:]
    var logits: [Float]?

    var byteCount: Int { 4 * (rows.values.reduce(0) { $0 + $1.count } + (logits?.count ?? 0)) }
  }

  private struct State: @unchecked Sendable {
    // Unchecked: nodes are reached only through the mutex.
    var trees: [(adapter: LoRAAdapter?, roots: [Int: Node])] = []
    var model: ObjectIdentifier?
    var clock: UInt64 = 0
    var statistics = Statistics()
    var bytesPerToken = 0
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
            let node = Node(tokens: tokens[at..<end], segment: link.segment, end: link.count, lastUse: state.clock)
            if let parent { parent.children[tokens[at]] = node } else { state.trees[tree].roots[tokens[at]] = node }
            state.statistics.byteCount += node.tokens.count * bytesPerToken
            parent = node
            at = end
          }
          break
        }
        node.lastUse = state.clock
        let shared = zip(node.tokens, tokens[at...]).prefix { $0 == $1 }.count
        at += shared
        if shared < node.tokens.count {
          if at == tokens.count { break }
          // The node is cut in two where the ways part.
          let rest = Node(
            tokens: node.tokens.dropFirst(shared), segment: node.segment, end: node.end, lastUse: node.lastUse)
          rest.children = node.children
          node.end -= node.tokens.count - shared
          node.tokens = node.tokens.prefix(shared)
          if let first = rest.tokens.first {
            node.children = [first: rest]
            rest.states = node.states.filter { $0.key >= rest.tokens.startIndex }
            node.states = node.states.filter { $0.key < rest.tokens.startIndex }
          }
        }
        parent = node
      }
      evict(&state)
    }
  }

  /// What was captured at some positions of a prompt, as far as it is known.
  func states(_ tokens: [Int], at positions: [Int], adapter: LoRAAdapter?) -> [Int: States] {
    state.withLock { state in
      var found: [Int: States] = [:]
      Self.walk(tokens, in: state, adapter: adapter) { node, range in
        for position in positions where range.contains(position) { found[position] = node.states[position] }
      }
      return found
    }
  }

  /// Keeps what was captured at some positions of a prompt, where its keys and values are still there.
  func keep(_ states: [Int: States], of tokens: [Int], adapter: LoRAAdapter?) {
    state.withLock { state in
      var added = 0
      Self.walk(tokens, in: state, adapter: adapter) { node, range in
        for (position, new) in states where range.contains(position) {
          var all = node.states[position] ?? States()
          added -= all.byteCount
          all.rows.merge(new.rows) { $1 }
          all.logits = new.logits ?? all.logits
          added += all.byteCount
          node.states[position] = all
        }
      }
      state.statistics.byteCount += added
      evict(&state)
    }
  }

  /// Calls `body` with each node on a prompt's way and the positions there that are the prompt's.
  private static func walk(
    _ tokens: [Int], in state: State, adapter: LoRAAdapter?, _ body: (Node, Range<Int>) -> Void
  ) {
    guard var children = state.trees.first(where: { $0.adapter == adapter })?.roots else { return }
    var at = 0
    while at < tokens.count, let node = children[tokens[at]] {
      let shared = zip(node.tokens, tokens[at...]).prefix { $0 == $1 }.count
      body(node, at..<at + shared)
      at += shared
      if shared < node.tokens.count { break }
      children = node.children
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

  /// Removes the leaves that were used longest ago until the limit holds.
  private func evict(_ state: inout State) {
    while state.statistics.byteCount > byteLimit {
      var oldest: (node: Node, parent: Node?, tree: Int)?
      for tree in state.trees.indices {
        var open: [(Node, Node?)] = state.trees[tree].roots.values.map { ($0, nil) }
        while let (node, parent) = open.popLast() {
          if node.children.isEmpty {
            if oldest.map({ node.lastUse < $0.node.lastUse }) ?? true { oldest = (node, parent, tree) }
          } else {
            open += node.children.values.map { ($0, node) }
          }
        }
      }
      guard let (node, parent, tree) = oldest, let first = node.tokens.first else { return }
      if let parent { parent.children[first] = nil } else { state.trees[tree].roots[first] = nil }
      state.statistics.byteCount -= node.tokens.count * state.bytesPerToken
      state.statistics.byteCount -= node.states.values.reduce(0) { $0 + $1.byteCount }
    }
  }
}
