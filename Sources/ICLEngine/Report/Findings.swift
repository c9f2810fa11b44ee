/// What an experiment found, as sentences whose every figure is the result's own: a notebook that ends with one can't
/// say what its run did not show.
extension Comparison {
  /// ICL–IT beside its two rivals and its noise floor, then the share of right answers in each condition.
  public var finding: String {
    let ours = ConditionPair(.icl, .it)
    let rivals = [ConditionPair(.anchor, .icl), ConditionPair(.anchor, .it)]
    var text = Self.figure(ours.description, similarity(ours.first, ours.second))
    let others = rivals.map { pair in
      "\(pair.description) \(Self.mean(similarity(pair.first, pair.second))) (\(Self.test(similarityDifference(ours, pair))))"
    }
    text += "; beside it " + others.joined(separator: " and ")
    if let floor = baseline(.otherOrder), floor.mean.isFinite {
      let reaches = similarity(ours.first, ours.second).map { $0.interval.upper >= floor.interval.lower } ?? false
      text +=
        ". The same demonstrations in another order give \(ReportNumber.fixed(floor.mean, 3)), which ICL – IT "
        + (reaches ? "reaches within its interval" : "does not reach")
    }
    let answers = Condition.allCases.map { "\($0.rawValue) \(ReportNumber.percent(accuracy($0).mean))" }
    text += ". Right answers: " + answers.joined(separator: ", ") + "."
    return (text + (isPartial ? " Interrupted: these are the repetitions that were finished." : "")).inLines()
  }

  static func mean(_ value: Statistics.Summary?) -> String { value.map { ReportNumber.fixed($0.mean, 3) } ?? "—" }

  /// `ICL – IT 0.712 (95 % interval 0.650 … 0.770)`; without an interval for a single repetition.
  static func figure(_ name: String, _ value: Statistics.Summary?) -> String {
    guard let value else { return "\(name) —" }
    return "\(name) \(ReportNumber.fixed(value.mean, 3))"
      + (value.count < 2 ? "" : " (95 % interval \(ReportNumber.interval(value.interval)))")
  }

  private static func test(_ p: Double) -> String {
    let text = ReportNumber.p(p)
    return "p " + (text.hasPrefix("<") ? text : "= " + text)
  }
}

extension Sweep {
  /// Where ICL–IT goes from the first value to the last, where it is highest, and what becomes of the answers.
  public var finding: String {
    guard let first = comparisons.first, let last = comparisons.last, let from = values.first, let to = values.last
    else { return "Nothing was finished." }
    func similarity(_ c: Comparison) -> Statistics.Summary? { c.similarity(.icl, .it) }
    var text = "\(factor) \(from): " + Comparison.figure("ICL – IT", similarity(first))
    if comparisons.count > 1 {
      text += "; \(to): " + Comparison.figure("ICL – IT", similarity(last))
      let floors = [first, last].map { Comparison.mean($0.baseline(.otherOrder)) }
      if floors.contains(where: { $0 != "—" }) { text += " (noise floors \(floors[0]) and \(floors[1]))" }
      let means = comparisons.map { similarity($0)?.mean ?? .nan }
      if let highest = means.filter(\.isFinite).max(), let place = means.firstIndex(of: highest) {
        text += ". It is highest at \(values[place]), \(ReportNumber.fixed(highest, 3))"
      }
    }
    let answers = [Condition.anchor, .icl, .it].map { condition in
      let shares = (comparisons.count > 1 ? [first, last] : [first]).map {
        ReportNumber.percent($0.accuracy(condition).mean)
      }
      return "\(condition.rawValue) " + shares.joined(separator: " → ")
    }
    text += ". Right answers: " + answers.joined(separator: ", ") + "."
    return (text + (isPartial ? " Interrupted: these are the values that were finished." : "")).inLines()
  }
}

extension TaskVectors {
  /// The best layer of each vector, beside what replacing alone does there and the levels without and with
  /// demonstrations.
  public var finding: String {
    func best(_ name: String, _ vector: (Row) -> [Double]) -> String {
      let means = (0...layerCount).map { summary(vector, at: $0).mean }
      guard let highest = means.filter(\.isFinite).max(), let layer = means.firstIndex(of: highest) else {
        return "\(name) undefined"
      }
      return "\(name) \(ReportNumber.percent(highest)) (after \(layer == 0 ? "the embedding" : "block \(layer)"); "
        + "control there \(ReportNumber.percent(summary(\.control, at: layer).mean)))"
    }
    let text =
      "Right answers without demonstrations \(ReportNumber.percent(Statistics.mean(repetitions.map(\.zeroShot)))), "
      + "with \(spec.demonstrations) of them \(ReportNumber.percent(Statistics.mean(repetitions.map(\.icl)))). At their best "
      + "layer: " + best("task vector", \.taskVector) + "; " + best("tuned vector", \.tunedVector) + "; "
      + best("function vector", \.functionVector) + "."
    return (text + (isPartial ? " Interrupted: these are the repetitions that were finished." : "")).inLines()
  }
}

extension String {
  /// In lines of at most `width` characters, broken at spaces: what is printed wider, a notebook breaks within words.
  func inLines(of width: Int = 100) -> String {
    var lines = [""]
    for word in split(separator: " ") {
      let last = lines.count - 1
      if lines[last].isEmpty {
        lines[last] += word
      } else if lines[last].count + 1 + word.count <= width {
        lines[last] += " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.joined(separator: "\n")
  }
}
