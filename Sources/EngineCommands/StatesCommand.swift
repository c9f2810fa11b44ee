import ArgumentParser
import ICLEngine

/// `states`: the residual stream of a prompt, what is inside its blocks, logits, the logit lens.
struct StatesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "states", abstract: "Write the hidden states of a prompt.",
    discussion: """
      Layer 0 is the embeddings, layer i the residual stream after block i before the final norm, "final" after it.
      With --json: {"tokens":[…],"layers":{"0":[[…]],…,"final":[[…]]},"logits":{"ids":[[…]],"values":[[…]]}},
      one inner list for each chosen position; logits are sorted, the greatest first, unless all are asked for.
      With --points also "points":{"attentionOutput":{"1":[[…]],…},…}; with --attention "attention":{"probabilities":
      {"1":[position][head][key position],…}}; with --lens "lens":{"layers":[…],"positions":[…],"targets":[…],
      "cells":[layer][position]}.
      """)

  @OptionGroup var options: ModelOptions
  @Option(help: "The prompt as text.") var text: String?
  @Option(help: ArgumentHelp("The prompt as token ids.", valueName: "1,2,3")) var ids: String?
  @Option(help: ArgumentHelp("Which layers.", valueName: "all|last|0,5")) var layers = "all"
  @Option(help: ArgumentHelp("Which positions; -1 is the last.", valueName: "last|all|0,-1|2..5"))
  var positions = "last"
  @Option(
    help: ArgumentHelp(
      "States inside the blocks: headOutputs, attentionOutput, feedForwardOutput.", valueName: "point,…"))
  var points: String?
  @Option(help: ArgumentHelp("What each head sees.", valueName: "logits|probabilities")) var attention: String?
  @Option(help: ArgumentHelp("Which heads of --attention; all without it.", valueName: "0,3")) var heads: String?
  @Option(help: ArgumentHelp("The logit lens: the K likeliest tokens after each layer.", valueName: "K")) var lens: Int?
  @Option(help: ArgumentHelp("Write what --lens shows as one self-contained page.", valueName: "file.html"))
  var report: String?
  @Option(help: ArgumentHelp("How many logits at each chosen position.", valueName: "K|all")) var logits: String?

  private struct Output: Encodable {
    let tokens: [Int]
    let layers: [String: [[Float]]]
    let logits: Logits?
    let points: [String: [String: [[Float]]]]?
    let attention: [String: [String: [[[Float]]]]]?
    let lens: LogitLens?
    struct Logits: Encodable {
      let ids: [[Int]]
      let values: [[Float]]
    }
  }

  func validate() throws {
    guard (text == nil) != (ids == nil) else { throw ValidationError("Give either --text or --ids.") }
    try OptionCheck.notEmpty(
      ("--ids", ids), ("--layers", layers), ("--positions", positions), ("--points", points), ("--heads", heads),
      ("--report", report))
    if heads != nil, attention == nil { throw ValidationError("--heads has no effect without --attention.") }
    if report != nil, lens == nil { throw ValidationError("--report shows the logit lens: give --lens as well.") }
    _ = try capture()
    _ = try tokens { _ in [] }
  }

  func run() throws {
    if let report { try OutputPlace.checkFile(report, option: "--report") }
    let engine = try options.load()
    let prompt = try tokens { engine.tokenize($0) }
    let request = try capture()
    let states = try engine.model.forward([prompt], capture: request)[0]
    var byLayer: [String: [[Float]]] = [:]
    var byPoint: [String: [String: [[Float]]]] = [:]
    for (key, rows) in states.rows {
      switch key.point {
      case .finalNorm: byLayer["final"] = rows
      case .residual: byLayer[String(key.layer)] = rows
      case .headOutputs, .attentionOutput, .feedForwardOutput:
        byPoint[key.point.rawValue, default: [:]][String(key.layer)] = rows
      }
    }
    var seen: [String: [String: [[[Float]]]]] = [:]
    for (key, rows) in states.attention { seen[key.point.rawValue, default: [:]][String(key.layer)] = rows }
    let chosen = logits.map { top($0, states.logits) }
    let shown = try lens.map { count in
      try engine.model.logitLens(prompt, layers: request.layers, positions: request.positions, top: count)
    }
    // A page that can't be written does not cost what was computed.
    var failure: (any Error)?
    if let report { do { try shown?.report(to: report) } catch { failure = error } }
    if options.json {
      try printJSON(
        Output(
          tokens: prompt, layers: byLayer, logits: chosen, points: byPoint.isEmpty ? nil : byPoint,
          attention: seen.isEmpty ? nil : seen, lens: shown))
      if let failure { throw failure }
      return
    }
    try StandardOutput.line(
      "\(prompt.count.counted("token")); \(states.positions.count == 1 ? "position" : "positions") \(states.positions.map(String.init).joined(separator: ", "))"
    )
    for key in byLayer.keys.sorted(by: { (Int($0) ?? .max) < (Int($1) ?? .max) }) {
      for row in byLayer[key] ?? [] {
        let norm = row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        let head = row.prefix(4).map { "\($0)" }.joined(separator: " ")
        try StandardOutput.line("\(key)\tlength \(Float(norm))\t\(head) …")
      }
    }
    try printInside(byPoint, seen, states)
    if let shown { try StandardOutput.line(shown.table().plainText) }
    for (ids, values) in zip(chosen?.ids ?? [], chosen?.values ?? []) {
      let shown = zip(ids, values).prefix(20).map { "\(engine.model.tokenizer.piece($0)) \($1)" }
      try StandardOutput.line("logits\t" + shown.joined(separator: "  "))
    }
    if let failure { throw failure }
  }

  /// What is inside the blocks, a line for each row.
  private func printInside(
    _ points: [String: [String: [[Float]]]], _ attention: [String: [String: [[[Float]]]]], _ states: HiddenStates
  ) throws {
    func ordered<T>(_ layers: [String: T]) -> [(key: String, value: T)] {
      layers.sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }
    }
    for (point, layers) in points.sorted(by: { $0.key < $1.key }) {
      for (layer, rows) in ordered(layers) {
        for row in rows {
          try StandardOutput.line("\(point) \(layer)\t\(row.prefix(4).map { "\($0)" }.joined(separator: " ")) …")
        }
      }
    }
    for (point, layers) in attention {
      for (layer, rows) in ordered(layers) {
        for (position, heads) in zip(states.positions, rows) {
          for (head, row) in zip(states.heads, heads) {
            let most = row.indices.max { row[$0] < row[$1] } ?? 0
            try StandardOutput.line(
              "\(point) \(layer)\tposition \(position), head \(head): most at \(most), \(row[most])")
          }
        }
      }
    }
  }

  private func capture() throws -> CaptureRequest {
    var request = CaptureRequest(points: [.residual, .finalNorm], logits: logits != nil)
    for name in points?.split(separator: ",").map(String.init) ?? [] {
      guard let point = CapturePoint(rawValue: name) else {
        let known = CapturePoint.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--points takes \(known), not '\(name)'.")
      }
      request.points.insert(point)
    }
    if let attention {
      guard let point = AttentionPoint(rawValue: attention) else {
        throw ValidationError("--attention takes logits or probabilities, not '\(attention)'.")
      }
      request.attention = [point]
    }
    if let heads { request.heads = try integers(heads, option: "--heads") }
    if let lens, lens < 1 { throw ValidationError("--lens takes a number above 0, not '\(lens)'.") }
    switch layers {
    case "all": request.layers = .all
    case "last": request.layers = .last
    default: request.layers = .some(try integers(layers, option: "--layers"))
    }
    switch positions {
    case "last": request.positions = .last
    case "all": request.positions = .all
    default:
      let ends = positions.replacing("..", with: "|").split(separator: "|", omittingEmptySubsequences: false)
      if ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first <= last {
        request.positions = .range(first...last)
      } else {
        request.positions = .some(try integers(positions, option: "--positions"))
      }
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
