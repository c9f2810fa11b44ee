import ArgumentParser
import ICLEngine

/// `states`: the residual stream of a prompt, and logits.
struct StatesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "states", abstract: "Write the hidden states of a prompt.",
    discussion: """
      Layer 0 is the embeddings, layer i the residual stream after block i before the final norm, "final" after it.
      With --json: {"tokens":[…],"layers":{"0":[[…]],…,"final":[[…]]},"logits":{"ids":[[…]],"values":[[…]]}},
      one inner list for each chosen position; logits are sorted, the greatest first, unless all are asked for.
      """)

  @OptionGroup var options: ModelOptions
  @Option(help: "The prompt as text.") var text: String?
  @Option(help: ArgumentHelp("The prompt as token ids.", valueName: "1,2,3")) var ids: String?
  @Option(help: ArgumentHelp("Which layers.", valueName: "all|last|0,5")) var layers = "all"
  @Option(help: ArgumentHelp("Which positions.", valueName: "last|all")) var positions = "last"
  @Option(help: ArgumentHelp("How many logits at each chosen position.", valueName: "K|all")) var logits: String?

  private struct Output: Encodable {
    let tokens: [Int]
    let layers: [String: [[Float]]]
    let logits: Logits?
    struct Logits: Encodable {
      let ids: [[Int]]
      let values: [[Float]]
    }
  }

  func validate() throws {
    guard (text == nil) != (ids == nil) else { throw ValidationError("Give either --text or --ids.") }
    _ = try capture()
    _ = try tokens { _ in [] }
  }

  func run() throws {
    let engine = try options.load()
    let prompt = try tokens { engine.tokenize($0) }
    let request = try capture()
    let states = try engine.model.forward([prompt], capture: request)[0]
    var byLayer: [String: [[Float]]] = [:]
    for (key, rows) in states.rows { byLayer[key.point == .finalNorm ? "final" : String(key.layer)] = rows }
    let chosen = logits.map { top($0, states.logits) }
    if options.json { return try printJSON(Output(tokens: prompt, layers: byLayer, logits: chosen)) }
    print("\(prompt.count) tokens; positions \(states.positions.map(String.init).joined(separator: ", "))")
    for key in byLayer.keys.sorted(by: { (Int($0) ?? .max) < (Int($1) ?? .max) }) {
      for row in byLayer[key] ?? [] {
        let norm = row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        let head = row.prefix(4).map { "\($0)" }.joined(separator: " ")
        print("\(key)\tlength \(Float(norm))\t\(head) …")
      }
    }
    for (ids, values) in zip(chosen?.ids ?? [], chosen?.values ?? []) {
      let shown = zip(ids, values).prefix(20).map { "\(engine.model.tokenizer.piece($0)) \($1)" }
      print("logits\t" + shown.joined(separator: "  "))
    }
  }

  private func capture() throws -> CaptureRequest {
    var request = CaptureRequest(points: [.residual, .finalNorm], logits: logits != nil)
    switch layers {
    case "all": request.layers = .all
    case "last": request.layers = .last
    default: request.layers = .some(try integers(layers, option: "--layers"))
    }
    switch positions {
    case "last": request.positions = .last
    case "all": request.positions = .all
    default: request.positions = .some(try integers(positions, option: "--positions"))
    }
    if let logits, logits != "all", (Int(logits) ?? 0) < 1 {
      throw ValidationError("--logits takes a number above 0 or all, not '\(logits)'.")
    }
    return request
  }

  private func tokens(_ encode: (String) -> [Int]) throws -> [Int] {
    if let ids { return try integers(ids, option: "--ids") }
    return encode(text ?? "")
  }

  private func integers(_ list: String, option: String) throws -> [Int] {
    try list.split(separator: ",", omittingEmptySubsequences: false).map { item in
      guard let value = Int(item) else { throw ValidationError("\(option) takes whole numbers, not '\(item)'.") }
      return value
    }
  }

  private func top(_ count: String, _ logits: [[Float]]) -> Output.Logits {
    if count == "all" { return Output.Logits(ids: logits.map { Array($0.indices) }, values: logits) }
    let ids = logits.map { row in
      Array(row.indices.sorted { (row[$0], $1) > (row[$1], $0) }.prefix(Int(count) ?? 0))
    }
    return Output.Logits(ids: ids, values: zip(ids, logits).map { ids, row in ids.map { row[$0] } })
  }
}
