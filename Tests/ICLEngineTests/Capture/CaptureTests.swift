import ICLEngine
import Testing

/// Which positions, layers, heads and points a pass keeps, and that it keeps nothing else.
struct CaptureTests {
  static let lengths = [1, 4, 9]
  static var prompts: [[Int]] { lengths.map { BitExactnessTests.prompt($0 - 1, seed: 3) } }

  @Test func `positions are those of each prompt`() throws {
    let model = try RandomModel.make()
    func positions(_ choice: CaptureRequest.Positions, _ prompts: [[Int]] = CaptureTests.prompts) throws -> [[Int]] {
      try model.forward(prompts, capture: CaptureRequest(positions: choice)).map(\.positions)
    }
    #expect(try positions(.last) == [[0], [3], [8]])
    #expect(try positions(.all) == Self.lengths.map { Array(0..<$0) })
    #expect(try positions(.some([-1, 0, -1])) == [[0], [3, 0], [8, 0]])
    #expect(try positions(.range(0...0)) == [[0], [0], [0]])
    #expect(try positions(.range(-3 ... -2), [Self.prompts[1], Self.prompts[2]]) == [[1, 2], [6, 7]])
    #expect(try positions(.range(-4...3), [Self.prompts[1]]) == [[0, 1, 2, 3]])
    #expect(try positions(.from(-1)) == [[0], [3], [8]])
    #expect(try positions(.from(2), [Self.prompts[2]]) == [Array(2..<9)])
    #expect(try positions(.perPrompt([.last, .some([]), .range(2...4)])) == [[0], [], [2, 3, 4]])
    for wrong: CaptureRequest.Positions in [
      .some([4]), .some([-5]), .range(0...4), .range(-5...2), .from(4), .range(-1...2), .perPrompt([]),
    ] {
      let error = #expect(throws: EngineError.self) { try positions(wrong, [Self.prompts[1]]) }
      #expect(error?.code == .invalidArgument)
    }
  }

  /// The plan says how many bytes; the result has as many: what is not asked for is not there.
  @Test func `as many bytes are kept as the request says`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    #expect(c.hiddenSize == 96 && c.queryWidth == 96 && c.vocabularySize == 300 && c.headCount == 6)
    let requests: [(CaptureRequest, Int)] = [
      (CaptureRequest(points: []), 0),
      (CaptureRequest(points: [.residual], layers: .some([]), positions: .all), 0),
      (CaptureRequest(points: [.residual], layers: .all, positions: .some([])), 0),
      (CaptureRequest(points: [.residual], layers: .some([2]), positions: .last), 3 * 96),
      (CaptureRequest(points: [.residual], layers: .all, positions: .all), 14 * 4 * 96),
      (CaptureRequest(points: [.attentionOutput, .headOutputs], layers: .all), 3 * 3 * 2 * 96),
      (CaptureRequest(points: [], logits: true), 3 * 300),
      (CaptureRequest(points: [.finalNorm], layers: .some([1])), 3 * 96),
      // Rows of 1, 4 and 9 keys.
      (CaptureRequest(points: [], layers: .some([0, 3]), attention: [.probabilities]), 6 * 14),
      (
        CaptureRequest(points: [], positions: .all, attention: [.logits, .probabilities], heads: [5, 0]),
        2 * 3 * 2 * (1 + 10 + 45)
      ),
      (CaptureRequest(points: [], positions: .all, attention: [.logits], heads: []), 0),
    ]
    for (request, floats) in requests {
      let states = try model.forward(Self.prompts, capture: request)
      #expect(states.reduce(0) { $0 + $1.byteCount } == 4 * floats, "\(request)")
      #expect(try request.byteCount(promptLengths: Self.lengths, in: c) == 4 * floats, "\(request)")
      #expect(states.allSatisfy { one in one.rows.values.allSatisfy { $0.allSatisfy { !$0.isEmpty } } })
      #expect(
        states.allSatisfy { one in one.attention.values.allSatisfy { $0.allSatisfy { $0.allSatisfy { !$0.isEmpty } } } }
      )
    }
  }

  @Test func `blocks beyond the deepest that is asked for are not computed`() throws {
    let model = try RandomModel.make()
    let prompt = Self.prompts[2]
    let all = try model.forward([prompt], capture: InterventionTests.everything)[0]
    for layer in 0...2 {
      // The last block's weights can't be used: they are not numbers.
      var weights = model.weights
      for index in layer..<3 {
        weights.blocks[index].attentionNorm = weights.blocks[index].attentionNorm.map { _ in .nan }
        weights.blocks[index].feedForwardNorm = weights.blocks[index].attentionNorm
      }
      let cut = try LlamaModel(
        configuration: model.configuration, weights: weights, tokenizer: model.tokenizer)
      let request = CaptureRequest(
        points: [.residual, .feedForwardOutput], layers: .some(Array(0...layer)), positions: .all,
        attention: [.probabilities])
      let states = try cut.forward([prompt], capture: request)[0]
      for (key, rows) in states.rows { #expect(rows == all.rows[key]) }
      for (key, rows) in states.attention { #expect(rows == all.attention[key]) }
      #expect(states.rows.count == 1 + 2 * layer && states.attention.count == layer)
    }
  }

  @Test func `attention of chosen heads is that of all`() throws {
    let model = try RandomModel.make()
    let all = try model.forward(BitExactnessTests.prompts, capture: InterventionTests.everything)
    let request = CaptureRequest(
      points: [], layers: .some([3, 1]), positions: .some([-1, 0]), attention: [.probabilities], heads: [4, 2])
    let cache = PrefixCache()
    for known in [nil, cache, cache] {
      let some = try model.forward(BitExactnessTests.prompts, capture: request, cache: known)
      for (a, b) in zip(some, all) {
        #expect(a.heads == [4, 2])
        for layer in [1, 3] {
          let rows = try #require(a.attention(.probabilities, layer: layer))
          let whole = try #require(b.attention(.probabilities, layer: layer))
          #expect(rows.count == a.positions.count)
          for (row, position) in zip(rows, a.positions) {
            #expect(row == [whole[position][4], whole[position][2]])
            #expect(row[0].count == position + 1)
          }
        }
        #expect(a.attention(.probabilities, layer: 2) == nil && a.attention(.logits, layer: 1) == nil)
      }
    }
  }

  @Test func `attention behind a cached beginning costs the positions that are asked for`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(80, seed: 3)
    let cache = PrefixCache()
    _ = try model.forward([prompt], capture: CaptureRequest(), cache: cache)
    for (positions, computed) in [(CaptureRequest.Positions.last, 1), (.some([-3, -1]), 3), (.all, prompt.count)] {
      let request = CaptureRequest(positions: positions, attention: Set(AttentionPoint.allCases))
      let alone = try model.forward([prompt], capture: request)[0]
      for _ in 1...2 {
        let before = cache.statistics.computed
        let found = try model.forward([prompt], capture: request, cache: cache)[0]
        #expect(found.attention == alone.attention && found.rows == alone.rows)
        #expect(cache.statistics.computed - before == computed)
      }
    }
  }

  @Test func `heads that aren't there are refused`() throws {
    let model = try RandomModel.make()
    for heads in [[6], [-1]] {
      let error = #expect(throws: EngineError.self) {
        try model.forward([[1]], capture: CaptureRequest(attention: [.logits], heads: heads))
      }
      #expect(error?.description.contains("0 to 5") == true)
    }
  }
}

struct LogitLensTests {
  @Test func `the last layer of a lens is the model's own distribution`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(80, seed: 3)
    let lens = try model.logitLens(prompt, top: 3)
    let logits = try model.forward([prompt], capture: CaptureRequest(points: [], positions: .all, logits: true))[0]
      .logits
    #expect(lens.layers == [0, 1, 2, 3] && lens.cells.allSatisfy { $0.count == 81 })
    for (position, cell) in lens.cells[3].enumerated() {
      #expect(cell.divergence == 0 && cell.targetRank == 1)
      #expect(cell.top.first?.token == Sampling.greatest(logits[position]))
      #expect(cell.top.map(\.probability) == cell.top.map(\.probability).sorted(by: >))
    }
    #expect(lens.cells[0].allSatisfy { $0.divergence > 0 })
    #expect(
      try model.lensLogits(
        try #require(
          model.forward([prompt], capture: CaptureRequest(positions: .all))[0].residual(3))) == logits)
    // Positions alone, another number of threads: the same bits.
    let some = try RandomModel.make(threads: 1).logitLens(
      prompt, layers: .some([2, 1]), positions: .some([-1, 40]), top: 3)
    #expect(some.layers == [1, 2] && some.positions == [80, 40])
    for (row, layer) in [1, 2].enumerated() {
      #expect(some.cells[row] == [lens.cells[layer][80], lens.cells[layer][40]])
    }
  }

  @Test func `a lens follows a given token, and shows itself as a table`() throws {
    let model = try RandomModel.make()
    let lens = try model.logitLens([1, 5, 9], layers: .some([0, 3]), target: 17)
    #expect(lens.targets.map(\.token) == [17, 17, 17])
    let total = try model.logitLens([1, 5, 9], layers: .last, top: 300).cells[0][2]
    let place = try #require(total.top.firstIndex { $0.token == 17 })
    #expect(lens.cells[1][2].targetRank == place + 1)
    #expect(lens.cells[1][2].targetProbability == total.top[place].probability)
    // Rounding of 300 additions in double precision.
    #expect(abs(total.top.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
    let table = lens.table(.rank, limit: 2)
    #expect(table.columns.count == 3 && table.rows.count == 3)
    #expect(table.rows[0][0] == "block 3" && table.rows[0][2] == "\(place + 1)")
    #expect(lens.mimeBundle.data["text/html"]?.contains("embedding") == true)
  }

  @Test func `a lens that can't be is refused`() throws {
    let model = try RandomModel.make()
    #expect(throws: EngineError.self) { try model.logitLens([1], top: 0) }
    #expect(throws: EngineError.self) { try model.logitLens([1], top: 301) }
    #expect(throws: EngineError.self) { try model.logitLens([1], target: 300) }
    #expect(throws: EngineError.self) { try model.lensLogits([[1]]) }
  }
}
