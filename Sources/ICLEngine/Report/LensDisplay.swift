public import NotebookDisplay

extension LogitLens: RichDisplayable {
  public var mimeBundle: MIMEBundle { table().mimeBundle }

  public var plainText: String {
    [Content.token, .rank, .divergence].map { table($0).plainText }.joined(separator: "\n\n")
  }

  /// Everything as JSON.
  public func json() throws(EngineError) -> String { try ResultJSON.text(of: self, pretty: true) }

  /// The probability of each of the last positions' targets through the layers, with a text twin.
  public var plot: SVG {
    let shown = Array(positions.indices.suffix(PlotStyle.series.count))
    let lines = zip(shown, PlotStyle.series.suffix(shown.count)).map { index, stroke in
      LinePlot.Series(
        name: "\(positions[index]): \(Self.readable(targets[index].piece))", stroke: stroke,
        values: cells.map { $0[index].targetProbability })
    }
    let what = target == nil ? "what the model says in the end" : "the token that is followed"
    let plot = LinePlot(
      title: "On the way to the answer",
      subtitle: "probability of \(what), at the last \(shown.count == 1 ? "position" : "\(shown.count) positions")",
      xTitle: "after block (0: embedding)", yTitle: "probability", xLabels: layers.map(String.init), series: lines,
      description: "Lines by layer: the probability that the logit lens gives to \(what), for each position.")
    return SVG(plot.svg, plainText: table(.token, limit: shown.count).plainText)
  }

  /// What each cell of ``table(_:limit:)`` shows.
  public enum Content: Sendable {
    /// The likeliest token and its probability.
    case token
    /// Place of the target among all tokens, from 1.
    case rank
    /// Divergence of the final distribution, in nats.
    case divergence
  }

  /// One row per layer, the last on top, one column per position.
  /// - Parameter limit: how many positions are shown, the last ones
  public func table(_ content: Content = .token, limit: Int = 12) -> Table {
    let shown = Array(positions.indices.suffix(max(1, limit)))
    let heads = shown.map { index in
      let position = positions[index]
      return "\(position): \(Self.readable(pieces[position]))"
    }
    var rows = layers.indices.reversed().map { row in
      [layers[row] == 0 ? "embedding" : "block \(layers[row])"] + shown.map { Self.text(cells[row][$0], content) }
    }
    if content != .token {
      rows.append(["target"] + shown.map { Self.readable(targets[$0].piece) })
    }
    let what =
      switch content {
      case .token: "likeliest next token and its probability"
      case .rank: "rank of the target"
      case .divergence: "divergence of the final distribution in nats"
      }
    let part = shown.count < positions.count ? ", the last \(shown.count) of \(positions.count) positions" : ""
    return Table(
      ["after"] + heads, rows,
      alignment: [.leading] + Array(repeating: content == .token ? .leading : .trailing, count: shown.count),
      caption: "Logit lens: \(what)\(part)")
  }

  private static func text(_ cell: Cell, _ content: Content) -> String {
    switch content {
    case .token:
      cell.top.first.map { "\(readable($0.piece)) \(ReportNumber.percent($0.probability))" } ?? ""
    case .rank: "\(cell.targetRank)"
    case .divergence: ReportNumber.fixed(cell.divergence, 3)
    }
  }

  /// A token as it reads in a cell: SentencePiece's and byte-level BPE's spaces as one sign.
  static func readable(_ piece: String) -> String {
    let text = piece.replacing("Ġ", with: "▁").replacing("\n", with: "⏎")
    return text.isEmpty ? "∅" : text
  }
}
