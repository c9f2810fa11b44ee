public import NotebookDisplay

extension Sweep: RichDisplayable {
  private static let pairs = [ConditionPair(.icl, .it), ConditionPair(.anchor, .icl), ConditionPair(.anchor, .it)]

  public enum PlotKind: String, Sendable, CaseIterable {
    /// Similarity after the last block by the factor's value.
    case similarity
    /// Task accuracy of each condition by the factor's value.
    case accuracy
  }

  /// A picture with a text twin.
  public func plot(_ kind: PlotKind) -> SVG {
    let lines =
      switch kind {
      case .similarity:
        Self.pairs.map { pair in
          line(pair.description, PlotStyle.stroke(pair)) { $0.similarity(pair.first, pair.second) }
        }
          + [line("noise floor", PlotStyle.noiseFloor) { $0.baseline(.otherOrder) }].filter {
            $0.values.contains(where: \.isFinite)
          }
      case .accuracy:
        Condition.allCases.map { condition in
          line(
            condition.rawValue,
            PlotStyle.Stroke(PlotStyle.color(condition), dash: condition.isTuned ? "7 3" : nil, width: 2.5)
          ) { $0.accuracy(condition) }
        }
      }
    let repetitions = comparisons.first?.repetitions.count ?? 0
    let plot = LinePlot(
      title: kind == .similarity ? "Similarity by \(factor)" : "Accuracy by \(factor)",
      subtitle: "\(task); mean of \(repetitions) repetitions, bands: 95 % interval", xTitle: factor,
      yTitle: kind == .similarity ? "cosine, last token, last block" : "share of right answers", xLabels: values,
      series: lines,
      description: "Lines by \(factor): " + lines.map(\.name).joined(separator: ", ") + ".")
    return SVG(plot.svg, plainText: table.plainText)
  }

  private func line(
    _ name: String, _ stroke: PlotStyle.Stroke, _ value: (Comparison) -> Statistics.Summary?
  ) -> LinePlot.Series {
    let summaries = comparisons.map(value)
    return LinePlot.Series(
      name: name, stroke: stroke, values: summaries.map { $0?.mean ?? .nan },
      band: summaries.map { ($0?.interval.lower ?? .nan, $0?.interval.upper ?? .nan) })
  }

  /// One row per value.
  public var table: Table {
    func cell(_ value: Statistics.Summary?) -> String { value.map { ReportNumber.fixed($0.mean, 3) } ?? "—" }
    return Table(
      [factor] + Self.pairs.map(\.description) + ["noise floor"] + Condition.allCases.map { "accuracy \($0.rawValue)" },
      zip(values, comparisons).map { value, comparison in
        [value] + Self.pairs.map { cell(comparison.similarity($0.first, $0.second)) }
          + [cell(comparison.baseline(.otherOrder))]
          + Condition.allCases.map { ReportNumber.percent(comparison.accuracy($0).mean) }
      }, alignment: Array(repeating: .trailing, count: Self.pairs.count + 6),
      caption: "\(task): similarity after the last block, and accuracy, by \(factor)")
  }

  private var remarks: [String] {
    (isPartial ? ["Interrupted: the values that were finished."] : []) + comparisons.prefix(1).map(\.origin)
  }

  public var plainText: String { ([table.plainText] + remarks).joined(separator: "\n\n") }

  public var mimeBundle: MIMEBundle {
    let notes = remarks.map { "<p style=\"font-size:smaller;opacity:0.8\">\($0.markupEscaped)</p>\n" }.joined()
    return MIMEBundle(data: [
      "text/html": "<div>\n" + plot(.similarity).source + "\n" + plot(.accuracy).source + "\n" + table.html + "\n"
        + notes + "</div>",
      "text/markdown": ([table.markdown] + remarks.map(\.markdownEscaped)).joined(separator: "\n\n"),
      "text/plain": plainText,
    ])
  }
}
