public import NotebookDisplay

extension StepsToICL: RichDisplayable {
  private func places(_ quantity: (Course) -> [Double]) -> [Statistics.Summary] {
    steps.indices.map { summary(quantity, at: $0) }
  }

  private func line(_ name: String, _ stroke: PlotStyle.Stroke, _ values: [Statistics.Summary]) -> LinePlot.Series {
    LinePlot.Series(
      name: name, stroke: stroke, values: values.map(\.mean),
      band: repetitions.count < 2 ? [] : values.map { ($0.interval.lower, $0.interval.upper) })
  }

  /// Similarity by the number of steps, with a text twin.
  public var plot: SVG {
    let floor = Statistics.Summary(repetitions.map(\.noiseFloor), seed: spec.seed)
    var lines = [
      line("tuned – ICL", PlotStyle.stroke(ConditionPair(.icl, .it)), places(\.withICL)),
      line("tuned – anchor", PlotStyle.stroke(ConditionPair(.anchor, .it)), places(\.withAnchor)),
    ]
    if floor.mean.isFinite {
      lines.append(line("ICL, other order", PlotStyle.noiseFloor, steps.map { _ in floor }))
    }
    let plot = LinePlot(
      title: "Tuning, step by step, beside \(spec.demonstrations) demonstrations",
      subtitle: "\(task); mean of \(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s")"
        + (repetitions.count == 1 ? "" : ", bands: 95 % interval"),
      xTitle: "steps of tuning", yTitle: "cosine, \(spec.positions.title), \(placeName)",
      xLabels: steps.map(String.init),
      series: lines,
      description: "Lines by step: likeness of the tuned state to the state after demonstrations and to the anchor. "
        + "It is most like the former after \(nearestStep) steps.")
    return SVG(plot.svg, plainText: table.plainText)
  }

  /// Accuracy by the number of steps, beside that of the demonstrations, with a text twin.
  public var accuracyPlot: SVG {
    let icl = Statistics.Summary(repetitions.map(\.accuracyOfICL), seed: spec.seed)
    let plot = LinePlot(
      title: "Right answers, step by step, beside \(spec.demonstrations) demonstrations",
      subtitle: "\(task); mean of \(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s")"
        + (repetitions.count == 1 ? "" : ", bands: 95 % interval"),
      xTitle: "steps of tuning", yTitle: "share of right answers", xLabels: steps.map(String.init),
      series: [
        line("tuned", PlotStyle.Stroke(PlotStyle.color(.it), dash: "7 3", width: 2.5), places(\.accuracy)),
        line("ICL", PlotStyle.Stroke(PlotStyle.color(.icl), width: 2.5), steps.map { _ in icl }),
      ],
      description: "Accuracy of the tuned model by step, and the level that demonstrations reach.")
    return SVG(plot.svg, plainText: table.plainText)
  }

  /// One row per look at the states.
  public var table: Table {
    Table(
      ["steps", "tuned – ICL", "tuned – anchor", "accuracy, tuned"],
      steps.indices.map { index in
        [
          "\(steps[index])", ReportNumber.fixed(summary(\.withICL, at: index).mean, 3),
          ReportNumber.fixed(summary(\.withAnchor, at: index).mean, 3),
          ReportNumber.percent(summary(\.accuracy, at: index).mean),
        ]
      }, alignment: Array(repeating: .trailing, count: 4),
      caption: "\(task): tuning on \(spec.demonstrations) demonstrations, step by step")
  }

  /// What was found, in a sentence or two.
  public var finding: String {
    let icl = Statistics.mean(repetitions.map(\.accuracyOfICL))
    let equal =
      stepOfEqualAccuracy.map { "reaches that accuracy after \($0) steps" }
      ?? "does not reach that accuracy in \(steps.last ?? 0) steps"
    let text =
      "\(spec.demonstrations) demonstrations in the prompt give \(ReportNumber.percent(icl)) right answers; tuning on "
      + "them \(equal), and its state is most like the state after the prompt after \(nearestStep) steps."
    return (text + (isPartial ? " Interrupted: these are the repetitions that were finished." : "")).inLines()
  }

  private var placeName: String {
    switch spec.point {
    case .residual: "last block"
    case .embeddings: "embedding"
    case .finalNorm: "final norm"
    case .headOutputs, .attentionOutput, .feedForwardOutput: "\(spec.point.rawValue), last block"
    }
  }

  private var origin: String {
    "\(provenance.model.name)\(provenance.model.precisionNote); seed \(spec.seed); engine \(provenance.engineVersion); fingerprint "
      + "\(provenance.fingerprint.prefix(16))"
  }

  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: [
      "text/html": "<div>\n\(plot.source)\n<p>\(finding.markupEscaped)</p>\n\(table.html)\n"
        + "<p style=\"font-size:smaller;opacity:0.8\">\(origin.markupEscaped)</p></div>",
      "text/markdown": [table.markdown, finding.markdownEscaped, origin.markdownEscaped].joined(separator: "\n\n"),
      "text/plain": plainText,
    ])
  }

  public var plainText: String { [table.plainText, finding, origin].joined(separator: "\n\n") }
}
