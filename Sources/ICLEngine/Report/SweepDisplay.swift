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
      yTitle: kind == .similarity ? "cosine, \(placeName)" : "share of right answers", xLabels: values,
      series: lines,
      description: "Lines by \(factor): " + lines.map(\.name).joined(separator: ", ") + ".")
    return SVG(plot.svg, plainText: (kind == .similarity ? table : accuracyTable).plainText)
  }

  /// Which states: of the first value, unless that is what the sweep varies.
  private var placeName: String {
    let names = Set(comparisons.map(\.whatIsCompared))
    guard names.count == 1, let first = comparisons.first else { return "place by \(factor)" }
    return first.spec.point == .residual ? "\(first.spec.positions.title), last block" : first.whatIsCompared
  }

  /// One measure by the factor's value: ICL – IT, the other pairs with the anchor, and the noise floor.
  public func plot(measure: Measure) -> SVG {
    var lines: [LinePlot.Series] = []
    func add(_ name: String, _ stroke: PlotStyle.Stroke, _ subject: (Comparison) -> Comparison.MeasureSubject) {
      let line = line(name, stroke) { $0.figure(measure, of: subject($0)) }
      if line.values.contains(where: \.isFinite) { lines.append(line) }
    }
    if let first = comparisons.first, case .condition(let condition) = first.mainSubject(measure) {
      add(first.title(measure), PlotStyle.Stroke(PlotStyle.color(condition), width: 3)) { $0.mainSubject(measure) }
    }
    for pair in Self.pairs { add(pair.description, PlotStyle.stroke(pair)) { _ in .pair(pair) } }
    add("noise floor", PlotStyle.noiseFloor) { _ in .baseline(.otherOrder) }
    add("random vectors", PlotStyle.Stroke(PlotStyle.black, dash: "1 5")) { _ in .baseline(.randomVectors) }
    let repetitions = comparisons.first?.repetitions.count ?? 0
    let plot = LinePlot(
      title: "\(measure.title) by \(factor)",
      subtitle: "\(task); mean of \(repetitions) repetitions, bands: 95 % interval", xTitle: factor,
      yTitle: "\(measure.title), \(measure.range)", xLabels: values, series: lines,
      description: lines.isEmpty
        ? "It was not measured." : "Lines by \(factor): " + lines.map(\.name).joined(separator: ", ") + ".")
    return SVG(plot.svg, plainText: measureTable.plainText)
  }

  /// Every measure of ICL against IT (or of what else it is of) at each value: mean, and the half of its 95 % interval.
  public var measureTable: Table {
    let measures = Measure.allCases.filter { measure in comparisons.contains { $0.measured.contains(measure) } }
    return Table(
      [factor] + measures.map(\.title),
      zip(values, comparisons).map { value, comparison in
        [value]
          + measures.map { measure in
            comparison.figure(measure, of: comparison.mainSubject(measure)).map { ReportNumber.spread($0) } ?? "—"
          }
      }, alignment: Array(repeating: .trailing, count: measures.count + 1),
      caption: "\(task): measures of ICL against IT by \(factor), ± half of the 95 % interval")
  }

  private func line(
    _ name: String, _ stroke: PlotStyle.Stroke, _ value: (Comparison) -> Statistics.Summary?
  ) -> LinePlot.Series {
    let summaries = comparisons.map(value)
    return LinePlot.Series(
      name: name, stroke: stroke, values: summaries.map { $0?.mean ?? .nan },
      band: summaries.map { ($0?.interval.lower ?? .nan, $0?.interval.upper ?? .nan) })
  }

  /// Similarities, one row per value: means, each with half of its 95 % interval.
  public var table: Table {
    table(Self.pairs.map(\.description) + ["noise floor"], "similarity (\(placeName))") { comparison in
      (Self.pairs.map { comparison.similarity($0.first, $0.second) } + [comparison.baseline(.otherOrder)])
        .map { $0.map { ReportNumber.spread($0) } ?? "—" }
    }
  }

  /// Accuracies, one row per value: means, each with half of its 95 % interval.
  public var accuracyTable: Table {
    table(Condition.allCases.map(\.rawValue), "right answers") { comparison in
      Condition.allCases.map { ReportNumber.percentSpread(comparison.accuracy($0)) }
    }
  }

  private func table(_ columns: [String], _ what: String, _ cells: (Comparison) -> [String]) -> Table {
    Table(
      [factor] + columns, zip(values, comparisons).map { [$0] + cells($1) },
      alignment: Array(repeating: .trailing, count: columns.count + 1),
      caption: "\(task): \(what) by \(factor), ± half of the 95 % interval")
  }

  private var remarks: [String] {
    (isPartial ? ["Interrupted: the values that were finished."] : []) + comparisons.prefix(1).map(\.origin)
  }

  public var plainText: String {
    ([table.plainText, accuracyTable.plainText] + remarks).joined(separator: "\n\n")
  }

  public var mimeBundle: MIMEBundle {
    let notes = remarks.map { "<p style=\"font-size:smaller;opacity:0.8\">\($0.markupEscaped)</p>\n" }.joined()
    return MIMEBundle(data: [
      "text/html": "<div>\n" + plot(.similarity).source + "\n" + plot(.accuracy).source + "\n" + table.html + "\n"
        + accuracyTable.html + "\n" + notes + "</div>",
      "text/markdown": ([table.markdown, accuracyTable.markdown] + remarks.map(\.markdownEscaped)).joined(
        separator: "\n\n"),
      "text/plain": plainText,
    ])
  }
}
