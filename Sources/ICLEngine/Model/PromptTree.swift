/// Prompts folded into a tree at their common beginnings: each distinct prefix stands once.
///
/// Built from the token ids alone, so it finds every shared beginning: instruction, demonstrations, whole prompts.
struct PromptTree {
  struct Node {
    let tokens: [Int]
    /// Position of the first token.
    let start: Int
    /// Index of the node before, or `nil` at a root.
    let parent: Int?
    /// Prompts that run through this node.
    let prompts: [Int]
  }

  /// Parents stand before their children.
  private(set) var nodes: [Node] = []

  /// Tokens over all nodes: what has to be computed.
  var tokenCount: Int { nodes.reduce(0) { $0 + $1.tokens.count } }

  /// O(total tokens · log prompts).
  /// - Parameter keys: as long as the prompts, compared in their place: equal keys stand for equal tokens
  init(_ texts: [[Int]], keys: [[Int]]? = nil) {
    let prompts = keys ?? texts
    let order = prompts.indices.sorted { a, b in
      prompts[a].lexicographicallyPrecedes(prompts[b]) || (prompts[a] == prompts[b] && a < b)
    }
    // Groups of sorted prompts that agree up to `depth`.
    var open: [(group: ArraySlice<Int>, depth: Int, parent: Int?)] = []
    func branches(of group: ArraySlice<Int>, at depth: Int, parent: Int?) -> [(ArraySlice<Int>, Int, Int?)] {
      var result: [(ArraySlice<Int>, Int, Int?)] = []
      var first = group.startIndex
      // Prompts that end here sort first.
      while first < group.endIndex, prompts[group[first]].count == depth { first += 1 }
      while first < group.endIndex {
        let token = prompts[group[first]][depth]
        var last = first
        while last < group.endIndex, prompts[group[last]][depth] == token { last += 1 }
        result.append((group[first..<last], depth, parent))
        first = last
      }
      return result
    }
    open = branches(of: order[...], at: 0, parent: nil).reversed()
    while let (group, depth, parent) = open.popLast() {
      guard let first = group.first, let last = group.last else { continue }
      // Sorted, so what the first and the last share, all share.
      let (a, b) = (prompts[first], prompts[last])
      var end = depth
      while end < a.count, end < b.count, a[end] == b[end] { end += 1 }
      nodes.append(Node(tokens: Array(texts[first][depth..<end]), start: depth, parent: parent, prompts: Array(group)))
      open += branches(of: group, at: end, parent: nodes.count - 1).reversed()
    }
  }
}
