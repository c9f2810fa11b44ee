public import NotebookDisplay

extension Comparison {
  /// What a measure's figure is of.
  public enum MeasureSubject: Sendable, Hashable {
    case pair(ConditionPair)
    case condition(Condition)
    /// ICL compared with this.
    case baseline(Baseline)
    case untrained(ConditionPair)
  }

  /// A measure's headline over repetitions: at the place that headlines are taken from, or the mean over the blocks, as
  /// the measure goes.
  /// - Returns: `nil` when it was not measured
  public func figure(_ measure: Measure, of subject: MeasureSubject) -> Statistics.Summary? {
    let values = headlines(measure, of: subject)
    return values.isEmpty ? nil : Statistics.Summary(values, seed: spec.seed)
  }

  /// p of a paired permutation test over repetitions: a measure of two subjects. `nil` when either was not measured in
  /// every repetition.
  public func figureDifference(_ measure: Measure, _ a: MeasureSubject, _ b: MeasureSubject) -> Double? {
    let (x, y) = (headlines(measure, of: a), headlines(measure, of: b))
    guard !x.isEmpty, x.count == y.count else { return nil }
    var generator = SeededGenerator(seed: spec.seed, stream: "permutation")
    return Statistics.pairedPermutationTest(x, y, using: &generator)
  }

  private func headlines(_ measure: Measure, of subject: MeasureSubject) -> [Double] {
    repetitions.compactMap { repetition in
      guard let list = Self.values(repetition.figures[measure], subject), !list.isEmpty else { return nil }
      switch measure.headline {
      case .place: return list.indices.contains(headlinePlace) ? list[headlinePlace] : nil
      case .meanOfBlocks: return Statistics.mean(list)
      case .only: return list[0]
      }
    }
  }

  private static func values(_ figure: MeasuredFigure?, _ subject: MeasureSubject) -> [Double]? {
    switch subject {
    case .pair(let pair): figure?.pairs[pair]
    case .condition(let condition): figure?.conditions[condition]
    case .baseline(let baseline): figure?.baselines[baseline]
    case .untrained(let pair): figure?.untrained[pair]
    }
  }

  /// The measure by block or by place, over repetitions; empty when it was not measured, or has one value alone.
  func course(_ measure: Measure, of subject: MeasureSubject) -> [Statistics.Summary] {
    let lists = repetitions.compactMap { Self.values($0.figures[measure], subject) }
    guard measure.headline != .only, let count = lists.map(\.count).min(), count > 0 else { return [] }
    return (0..<count).map { place in Statistics.Summary(lists.map { $0[place] }, seed: spec.seed) }
  }

  /// What a measure is above all of: ICL and IT, where it compares.
  func mainSubject(_ measure: Measure) -> MeasureSubject {
    switch measure {
    case .orderSensitivity, .orderSimilarity: .condition(.icl)
    case .subspaceOverlap: .condition(.it)
    default: .pair(ConditionPair(.icl, .it))
    }
  }

  /// The measures that have values, in their order.
  public var measured: [Measure] {
    Measure.allCases.filter { measure in repetitions.contains { $0.figures[measure] != nil } }
  }

  func title(_ measure: Measure) -> String {
    switch measure {
    case .topKOverlap: "top-\(spec.topK) overlap"
    case .kl: "KL(ICL‖IT), nats"
    case .klReversed: "KL(IT‖ICL), nats"
    case .jensenShannon: "Jensen–Shannon, nats"
    case .orderSensitivity: "ICL: SD of accuracy over orders"
    case .orderSimilarity: "ICL: cosine between orders"
    case .subspaceOverlap: "LoRA subspaces of two repetitions"
    default: measure.title
    }
  }

  /// Every measure of ICL against IT, beside what ICL has with another order and other demonstrations of its own, with
  /// another query, what random vectors have, and ICL against IT in the untrained model. p: paired permutation test
  /// against the other order, the noise floor.
  public var measureTable: Table {
    func mean(_ value: Statistics.Summary?) -> String { value.map { ReportNumber.fixed($0.mean, 3) } ?? "—" }
    let rows = measured.map { measure in
      let main = mainSubject(measure)
      let value = figure(measure, of: main)
      let p = figureDifference(measure, main, .baseline(.otherOrder))
      return [title(measure)] + statistics(value) + [
        mean(figure(measure, of: .baseline(.otherOrder))), p.map(ReportNumber.p) ?? "—",
        mean(figure(measure, of: .baseline(.otherDemonstrations))), mean(figure(measure, of: .baseline(.otherQuery))),
        mean(figure(measure, of: .baseline(.randomVectors))),
        mean(figure(measure, of: .untrained(ConditionPair(.icl, .it)))),
      ]
    }
    return Table(
      [
        "measure", "value", "95 % interval", "SD", "other order", "p", "other demos", "other query", "random",
        "untrained",
      ], rows, alignment: [.leading] + Array(repeating: .trailing, count: 9),
      caption: "Other measures of ICL against IT, and of ICL against its baselines (p: differs from another order)")
  }

  /// Every measure of every pair of conditions. p: paired permutation test against ICL – IT.
  public var measurePairTable: Table {
    let main = MeasureSubject.pair(ConditionPair(.icl, .it))
    let rows = measured.flatMap { measure in
      ConditionPair.all.compactMap { pair -> [String]? in
        guard let value = figure(measure, of: .pair(pair)) else { return nil }
        let p = figureDifference(measure, .pair(pair), main)
        return [
          measure == .topKOverlap ? title(measure) : measure.title, rowName(measure, pair),
        ] + statistics(value) + [
          pair == ConditionPair(.icl, .it) ? "" : p.map(ReportNumber.p) ?? "—",
          figure(measure, of: .untrained(pair)).map { ReportNumber.fixed($0.mean, 3) } ?? "—", measure.range,
        ]
      }
    }
    return Table(
      ["measure", "first – second", "value", "95 % interval", "SD", "p, differs from ICL – IT", "untrained", "range"],
      rows, alignment: [.leading, .leading] + Array(repeating: .trailing, count: 5) + [.leading],
      caption: "Measures by pair of conditions")
  }

  private func rowName(_ measure: Measure, _ pair: ConditionPair) -> String {
    switch (measure, pair) {
    case (.rec2FTP, ConditionPair(.anchor, .icl)): "ICL right, of all that the anchor got wrong"
    case (.attentionToDemonstrations, ConditionPair(.anchor, .icl)): "ICL – original parameters"
    default: pair.description
    }
  }

  /// Mean, interval and standard deviation as a table's cells.
  func statistics(_ value: Statistics.Summary?) -> [String] {
    guard let value else { return ["—", "—", "—"] }
    return [
      ReportNumber.fixed(value.mean, 3), ReportNumber.interval(value.interval),
      value.count < 2 ? "—" : ReportNumber.fixed(value.standardDeviation, 3),
    ]
  }

  /// A measure through the blocks: ICL against IT, the other pairs, and the baselines, with intervals over repetitions.
  /// Where a measure has one value, or was not measured, the plot is empty but for its words.
  public func plot(measure: Measure) -> SVG {
    var lines: [LinePlot.Series] = []
    func add(_ name: String, _ stroke: PlotStyle.Stroke, _ subject: MeasureSubject) {
      let course = course(measure, of: subject)
      guard course.contains(where: { $0.mean.isFinite }) else { return }
      lines.append(
        LinePlot.Series(
          name: name, stroke: stroke, values: course.map(\.mean),
          band: repetitions.count < 2 ? [] : course.map { ($0.interval.lower, $0.interval.upper) }))
    }
    for pair in ConditionPair.all { add(rowName(measure, pair), PlotStyle.stroke(pair), .pair(pair)) }
    for condition in [Condition.icl, .it] {
      add(title(measure), PlotStyle.Stroke(PlotStyle.color(condition), width: 3), .condition(condition))
    }
    add("ICL, other order", PlotStyle.noiseFloor, .baseline(.otherOrder))
    add("random vectors", PlotStyle.Stroke(PlotStyle.black, dash: "1 5"), .baseline(.randomVectors))
    let isByPlace = measure.headline == .place
    let count = lines.map(\.values.count).max() ?? 0
    let labels = (0..<count).map { place in
      isByPlace ? (place > layerCount ? "norm" : "\(place)") : "\(place + 1)"
    }
    let value = figure(measure, of: mainSubject(measure)).map { ReportNumber.fixed($0.mean, 3) } ?? "undefined"
    let plot = LinePlot(
      title: "\(measure.title) through the layers",
      subtitle: "\(task), k = \(spec.demonstrations); mean of \(repetitions.count) repetition"
        + (repetitions.count == 1 ? "" : "s, bands: 95 % interval"),
      xTitle: isByPlace ? spec.point.axisTitle : "block",
      yTitle: isByPlace ? "\(measure.title), \(spec.positions.title)" : measure.title, xLabels: labels, series: lines,
      description: lines.isEmpty
        ? "No course through the layers. The value is \(value)."
        : "Lines by layer: " + lines.map(\.name).joined(separator: ", ") + ". The headline is \(value).")
    let table = Table(
      ["layer"] + lines.map(\.name),
      labels.indices.map { place in
        [labels[place]]
          + lines.map { $0.values.indices.contains(place) ? ReportNumber.fixed($0.values[place], 3) : "—" }
      }, alignment: Array(repeating: .trailing, count: lines.count + 1), caption: plot.title)
    return SVG(plot.svg, plainText: lines.isEmpty ? "\(measure.title): \(value)" : table.plainText)
  }
}
