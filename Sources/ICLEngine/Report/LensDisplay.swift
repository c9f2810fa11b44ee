public import NotebookDisplay

extension LogitLens: RichDisplayable {
  public var mimeBundle: MIMEBundle { table().mimeBundle }

  /// What each cell of ``table(_:positions:)`` shows.
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
  private static func readable(_ piece: String) -> String {
    let text = piece.replacing("Ġ", with: "▁").replacing("\n", with: "⏎")
    return text.isEmpty ? "∅" : text
  }
}
