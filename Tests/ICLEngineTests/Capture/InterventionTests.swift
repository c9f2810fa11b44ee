import ICLEngine
import Testing

/// What interventions promise beside the right numbers: no bit changes where nothing is asked for, whatever is in the
/// batch, in the cache, or on other threads.
struct InterventionTests {
  static let everything = CaptureRequest(
    points: Set(CapturePoint.allCases), layers: .all, positions: .all, logits: true,
    attention: Set(AttentionPoint.allCases))
  static let ends = CaptureRequest(points: Set(CapturePoint.allCases), layers: .all, positions: .last, logits: true)

  static func same(_ a: HiddenStates, _ b: HiddenStates) -> Bool {
    func bits(_ rows: [[Float]]) -> [[UInt32]] { rows.map { $0.map(\.bitPattern) } }
    return BitExactnessTests.same(a, b)
      && a.attention.mapValues { $0.map(bits) } == b.attention.mapValues { $0.map(bits) }
  }

  static func vector(_ count: Int = 96, _ seed: UInt64 = 3) -> [Float] {
    InterventionReference.vector(count, seed: seed)
  }

  @Test func `changes that change nothing keep every bit`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(70, seed: 3)
    let plain = try model.forward([prompt], capture: Self.everything)[0]
    let own = try #require(plain.residual(2))
    let nothings: [[Intervention]] = [
      [],
      [Intervention(.residual, layer: 2, positions: .some([]), .replace(Self.vector()))],
      [Intervention(.residual, layer: 2, positions: .all, prompts: [], .replace(Self.vector()))],
      [Intervention(.residual, layer: 2, positions: .all, .replaceEach(own))],
      CapturePoint.allCases.map { Intervention($0, layer: 1, positions: .all, .transform { _, _ in }) },
      AttentionPoint.allCases.map {
        Intervention(attention: $0, layer: 3, positions: .from(9), .transform { _, _ in })
      },
      [Intervention(.attentionOutput, layer: 1, positions: .last, .transform { x, _ in x = x.map { $0 } })],
    ]
    for (index, nothing) in nothings.enumerated() {
      let found = try model.forward([prompt], capture: Self.everything, interventions: nothing)[0]
      #expect(Self.same(found, plain), "\(index)")
    }
  }

  @Test func `a change is seen after its place and not before`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(40, seed: 3)
    let plain = try model.forward([prompt], capture: Self.everything)[0]
    let vector = Self.vector()
    let changed = try model.forward(
      [prompt], capture: Self.everything,
      interventions: [Intervention(.residual, layer: 2, positions: .some([30]), .replace(vector))])[0]
    #expect(changed.residual(2)?[30] == vector)
    #expect(changed.residual(1) == plain.residual(1))
    for layer in 2...3 { #expect(changed.residual(layer)?.prefix(30) == plain.residual(layer)?.prefix(30)) }
    #expect(changed.residual(2)?[31] == plain.residual(2)?[31], "block 3 is the first to read it")
    #expect(changed.residual(3)?[31] != plain.residual(3)?[31])
    #expect(changed.logits[29] == plain.logits[29] && changed.logits[30] != plain.logits[30])
    // In the order of the list: the replacement last leaves nothing of the addition.
    let twice = try model.forward(
      [prompt], capture: Self.everything,
      interventions: [
        Intervention(.residual, layer: 2, positions: .some([30]), .add(Self.vector(96, 4))),
        Intervention(.residual, layer: 2, positions: .some([30]), .replace(vector)),
      ])[0]
    #expect(Self.same(twice, changed))
  }

  /// Different changes of different prompts with shared beginnings, in one batch.
  static func changes(_ count: Int) -> [Intervention] {
    [
      Intervention(.residual, layer: 1, positions: .some([-1]), prompts: [0, 2, 5], .add(vector(), scale: 0.5)),
      Intervention(.feedForwardOutput, layer: 2, positions: .some([0]), prompts: [1], .replace(vector(96, 4))),
      Intervention(.headOutputs, layer: 3, heads: [0, 4], positions: .last, prompts: [3, 7], .replace(vector(16, 5))),
      Intervention(.attentionOutput, layer: 2, positions: .some([0]), prompts: [2, 3], .add(vector(96, 6))),
      Intervention.block(layer: 2, queries: .last, keys: [0], prompts: [7, 9]),
      Intervention(.finalNorm, layer: 0, positions: .last, prompts: [8], .transform { x, _ in x.reverse() }),
      Intervention(
        .residual, layer: 2, positions: .last,
        .transform { x, site in for i in x.indices { x[i] += Float(site.prompt) } }),
    ]
  }

  /// The same changes for one prompt alone.
  static func alone(_ prompt: Int) -> [Intervention] {
    changes(1).filter { $0.prompts?.contains(prompt) ?? true }.map { one in
      var one = one
      one.prompts = nil
      if case .transform = one.change, one.target == .states(.residual) {
        one.change = .transform { x, _ in for i in x.indices { x[i] += Float(prompt) } }
      }
      return one
    }
  }

  @Test(arguments: [1, 2, 3]) func `prompts in a batch are changed as they are alone`(threads: Int) throws {
    let model = try RandomModel.make(threads: threads)
    let one = try RandomModel.make(threads: 1)
    let prompts = BitExactnessTests.prompts
    let together = try model.forward(
      prompts, capture: Self.everything, interventions: Self.changes(prompts.count))
    for (index, prompt) in prompts.enumerated() {
      let found = try one.forward([prompt], capture: Self.everything, interventions: Self.alone(index))[0]
      #expect(Self.same(found, together[index]), "prompt \(index)")
      #expect(!Self.same(found, try one.forward([prompt], capture: Self.everything)[0]), "prompt \(index) is changed")
    }
  }

  @Test(arguments: [false, true]) func `a cache is neither poisoned nor without use`(adapted: Bool) throws {
    let model = try RandomModel.make()
    let adapter = adapted ? RandomModel.adapter(model.configuration) : nil
    let prompts = BitExactnessTests.prompts
    let plain = try model.forward(prompts, capture: Self.ends, adapter: adapter)
    let changed = try model.forward(
      prompts, capture: Self.ends, adapter: adapter, interventions: Self.changes(prompts.count))
    let cache = PrefixCache()
    for round in 0..<2 {
      let first = try model.forward(
        prompts, capture: Self.ends, adapter: adapter, interventions: Self.changes(prompts.count), cache: cache)
      let second = try model.forward(prompts, capture: Self.ends, adapter: adapter, cache: cache)
      for index in prompts.indices {
        #expect(Self.same(first[index], changed[index]), "round \(round), prompt \(index), changed")
        #expect(Self.same(second[index], plain[index]), "round \(round), prompt \(index), plain")
      }
    }
    // A prompt that is changed at its end alone takes all before it from the cache.
    let before = cache.statistics.computed
    _ = try model.forward(
      [prompts[7]], capture: Self.ends, adapter: adapter,
      interventions: [Intervention(.residual, layer: 1, positions: .last, .add(Self.vector()))], cache: cache)
    #expect(cache.statistics.computed - before == 1)
  }

  @Test func `blocked positions are not seen, and blind queries read nothing`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(50, seed: 3)
    let states = try model.forward(
      [prompt], capture: Self.everything,
      interventions: [
        .block(layer: 2, heads: [1, 3], queries: .some([40, 41]), keys: [0, 7, 41, 49]),
        .block(layer: 3, queries: .some([10]), keys: Array(0...10)),
      ])[0]
    let rows = try #require(states.attention(.probabilities, layer: 2))
    for head in 0..<6 {
      let isBlocked = head == 1 || head == 3
      for query in [40, 41] {
        #expect((rows[query][head][7] == 0) == isBlocked)
        // F32 sums of 50 terms, each within 6e-8.
        #expect(abs(rows[query][head].reduce(0, +) - 1) < 1e-5)
      }
      #expect(rows[39][head][7] > 0)
    }
    #expect(states.attention(.probabilities, layer: 3)?[10].allSatisfy { $0.allSatisfy { $0 == 0 } } == true)
    #expect(states.rows[.init(.headOutputs, layer: 3)]?[10].allSatisfy { $0 == 0 } == true)
    #expect(states.logits.allSatisfy { $0.allSatisfy(\.isFinite) })
  }

  @Test func `probabilities can be replaced`() throws {
    let model = try RandomModel.make()
    let prompt = BitExactnessTests.prompt(20, seed: 3)
    // All attention on one position: the head's output is that position's value, whatever the query.
    var one = [Float](repeating: 0, count: 21)
    one[5] = 1
    let states = try model.forward(
      [prompt], capture: Self.everything,
      interventions: [
        Intervention(attention: .probabilities, layer: 1, positions: .some([20]), .replace(one)),
        Intervention(attention: .probabilities, layer: 1, positions: .some([19]), .replace(Array(one.prefix(20)))),
      ])[0]
    let outputs = try #require(states.rows[.init(.headOutputs, layer: 1)])
    #expect(outputs[20] == outputs[19] && outputs[20] != outputs[18])
  }

  @Test func `a text goes on under the same changes`() throws {
    let model = try RandomModel.make()
    let text = BitExactnessTests.prompt(80, seed: 9)
    let steering = [
      Intervention(.residual, layer: 2, positions: .all, .add(Self.vector(), scale: 0.3)),
      Intervention(.finalNorm, layer: 0, positions: .from(3), .transform { x, _ in x[0] += 1 }),
    ]
    let all = try model.forward([text], capture: Self.everything, interventions: steering)[0].logits
    let session = try DecodingSession(model, interventions: steering)
    #expect(try session.append(Array(text[..<20])) == all[19])
    for index in 20..<text.count { #expect(try session.append([text[index]]) == all[index]) }
    // A change of the prompt's last position stays there.
    let patch = Intervention(.residual, layer: 1, positions: .last, .replace(Self.vector()))
    let patched = try DecodingSession(model, interventions: [patch])
    let inPlace = Intervention(.residual, layer: 1, positions: .some([19]), .replace(Self.vector()))
    let expected = try model.forward([text], capture: Self.everything, interventions: [inPlace])[0].logits
    #expect(try patched.append(Array(text[..<20])) == expected[19])
    #expect(try patched.append(Array(text[20...])) == expected[80])
    #expect(
      try model.generate(Array(text[..<20]), count: 8, interventions: steering, stopsAtEnd: false)
        != model.generate(Array(text[..<20]), count: 8, stopsAtEnd: false))
  }

  @Test func `changes that don't fit are refused with their place`() throws {
    let model = try RandomModel.make()
    func refuse(_ one: Intervention, _ word: String) {
      let error = #expect(throws: EngineError.self) { try model.forward([[1, 5]], interventions: [one]) }
      #expect(error?.code == .invalidArgument)
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
    let vector = Self.vector()
    refuse(Intervention(.residual, layer: 4, positions: .last, .add(vector)), "0 to 3")
    refuse(Intervention(.attentionOutput, layer: 0, positions: .last, .add(vector)), "1 to 3")
    refuse(Intervention(.residual, layer: 1, positions: .some([2]), .add(vector)), "-2 to 1")
    refuse(Intervention(.residual, layer: 1, positions: .last, prompts: [1], .add(vector)), "0..<1")
    refuse(Intervention(.residual, layer: 1, positions: .last, .replace([1])), "96 values")
    refuse(Intervention(.residual, layer: 1, positions: .all, .addEach([vector])), "2 vectors")
    refuse(Intervention(.residual, layer: 1, heads: [0], positions: .last, .add(vector)), "heads: nil")
    refuse(Intervention(.headOutputs, layer: 1, heads: [6], positions: .last, .add(vector)), "0 to 5")
    refuse(Intervention(.headOutputs, layer: 1, heads: [5], positions: .last, .add(vector)), "16 values")
    refuse(Intervention(attention: .logits, layer: 1, positions: .all, .add([1, 2])), "1 values")
    refuse(Intervention(.residual, layer: 1, positions: .last, .transform { x, _ in x = [] }), "96 values")
    refuse(Intervention(attention: .logits, layer: 1, positions: .last, .transform { x, _ in x.append(1) }), "2 values")
  }
}
