public import NotebookDisplay

extension TaskVectors: RichDisplayable {
  private func line(_ name: String, _ stroke: PlotStyle.Stroke, _ vector: (Row) -> [Double]) -> LinePlot.Series {
    let values = (0...layerCount).map { summary(vector, at: $0) }
    return LinePlot.Series(
      name: name, stroke: stroke, values: values.map(\.mean),
      band: repetitions.count < 2 ? [] : values.map { ($0.interval.lower, $0.interval.upper) })
  }

  private func level(_ quantity: (Row) -> Double) -> (Row) -> [Double] {
    let places = layerCount + 1
    let values = repetitions.map(quantity)
    let mean = Statistics.mean(values)
    return { _ in Array(repeating: mean, count: places) }
  }

  /// Accuracy by the layer at which a vector was put, with a text twin.
  public var plot: SVG {
    let plot = LinePlot(
      title: "What vectors carry of the task",
      subtitle: "\(task), k = \(spec.demonstrations), no demonstrations in the prompt; mean of "
        + "\(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s")",
      xTitle: "put after block (0: embedding)", yTitle: "share of right answers",
      xLabels: (0...layerCount).map(String.init),
      series: [
        line("task vector", PlotStyle.Stroke(PlotStyle.blue, width: 3), \.taskVector),
        line("tuned vector", PlotStyle.Stroke(PlotStyle.orange, dash: "7 3"), \.tunedVector),
        line("function vector", PlotStyle.Stroke(PlotStyle.green, dash: "2 3"), \.functionVector),
        line("control", PlotStyle.Stroke(PlotStyle.vermilion), \.control),
        line("ICL", PlotStyle.Stroke(PlotStyle.black, dash: "1 3"), level(\.icl)),
        line("no vector", PlotStyle.noiseFloor, level(\.zeroShot)),
      ],
      description:
        "Lines of accuracy by layer for the task vector, the tuned vector, the function vector and a control, "
        + "between the levels with and without demonstrations.")
    return SVG(plot.svg, plainText: table.plainText)
  }

  /// One row per layer.
  public var table: Table {
    func cell(_ vector: (Row) -> [Double], _ layer: Int) -> String {
      ReportNumber.percent(summary(vector, at: layer).mean)
    }
    return Table(
      ["put after", "task vector", "tuned vector", "function vector", "control"],
      (0...layerCount).map { layer in
        [
          layer == 0 ? "embedding" : "block \(layer)", cell(\.taskVector, layer), cell(\.tunedVector, layer),
          cell(\.functionVector, layer), cell(\.control, layer),
        ]
      }, alignment: [.leading] + Array(repeating: .trailing, count: 4),
      caption: "\(task): right answers without demonstrations; with none of it "
        + "\(ReportNumber.percent(Statistics.mean(repetitions.map(\.zeroShot)))), with demonstrations "
        + "\(ReportNumber.percent(Statistics.mean(repetitions.map(\.icl))))")
  }

  /// The heads with the largest effects in the first repetition, and their effects in all.
  public var headTable: Table {
    let first = repetitions.first?.heads.prefix(8) ?? []
    return Table(
      ["block", "head", "effect", "SD"],
      first.map { head in
        let effects = repetitions.compactMap { row in
          row.heads.first { $0.layer == head.layer && $0.head == head.head }?.effect
        }
        return [
          "\(head.layer)", "\(head.head)", ReportNumber.fixed(Statistics.mean(effects), 3),
          effects.count < 2 ? "—" : ReportNumber.fixed(Statistics.standardDeviation(effects), 3),
        ]
      }, alignment: Array(repeating: .trailing, count: 4),
      caption:
        "Rise of the right label's probability when one head's mean output is put into a prompt with shuffled labels")
  }

  private var origin: String {
    (isPartial ? "Interrupted: these are the repetitions that were finished. " : "")
      + "\(provenance.model.name)\(provenance.model.precisionNote); seed \(spec.seed); \(headCount) heads in the function vector; engine "
      + "\(provenance.engineVersion); fingerprint \(provenance.fingerprint.prefix(16))"
  }

  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: [
      "text/html": "<div>\n\(plot.source)\n\(table.html)\n\(headTable.html)\n"
        + "<p style=\"font-size:smaller;opacity:0.8\">\(origin.markupEscaped)</p></div>",
      "text/markdown": [table.markdown, headTable.markdown, origin.markdownEscaped].joined(separator: "\n\n"),
      "text/plain": plainText,
    ])
  }

  public var plainText: String { [table.plainText, headTable.plainText, origin].joined(separator: "\n\n") }
}
