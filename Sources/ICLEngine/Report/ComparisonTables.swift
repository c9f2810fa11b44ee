public import NotebookDisplay

extension Comparison {
  /// Similarity of states at the headline place: the six pairs, and what they must be seen beside. p: paired permutation
  /// test against the noise floor.
  public var similarityTable: Table {
    var rows = ConditionPair.all.map { pair in
      row(
        pair.description, similarity(pair.first, pair.second), baseline(.untrainedWeights, for: pair),
        p: hasNoiseFloor ? similarityDifference(pair, from: .otherOrder) : nil)
    }
    rows.append(row("ICL – IT, of the updates from the anchor", updateCosine(), nil))
    for kind in Baseline.similarities where spec.baselines.contains(kind) {
      rows.append(row(kind.title, baseline(kind), nil))
    }
    return Table(
      ["states compared", "cosine", "95 % interval", "SD", "p, differs from noise floor", "untrained weights"], rows,
      alignment: [.leading, .trailing, .trailing, .trailing, .trailing, .trailing],
      caption: "Similarity of \(whatIsCompared)")
  }

  private func row(
    _ name: String, _ value: Statistics.Summary?, _ untrained: Statistics.Summary?, p: Double? = nil
  ) -> [String] {
    [name] + statistics(value) + [
      p.map(ReportNumber.p) ?? "", untrained.map { ReportNumber.fixed($0.mean, 3) } ?? "",
    ]
  }

  /// Which states: "the query's last token after block 4".
  var whatIsCompared: String {
    let place = spec.point.name(ofPlace: headlinePlace, layerCount: layerCount)
    return "the query's \(spec.positions.title)\(place.hasPrefix("after") ? "" : ",") \(place)"
  }

  /// Task accuracy under each condition.
  public var accuracyTable: Table {
    let rows = Condition.allCases.map { condition in
      let value = accuracy(condition)
      return [
        condition.rawValue, ReportNumber.percent(value.mean),
        "\(ReportNumber.percent(value.interval.lower)) … \(ReportNumber.percent(value.interval.upper))",
        value.count < 2 ? "—" : ReportNumber.percent(value.standardDeviation),
        condition == .anchor ? "" : ReportNumber.p(accuracyDifference(.anchor, condition)),
      ] + (wordShare(condition).map { [ReportNumber.percent($0.mean)] } ?? [])
    }
    let isWritten = wordShare(.anchor) != nil
    return Table(
      ["condition", "accuracy", "95 % interval", "SD", "p, differs from anchor"] + (isWritten ? ["right words"] : []),
      rows,
      alignment: [.leading, .trailing, .trailing, .trailing, .trailing, .trailing],
      caption: isWritten
        ? "Answers right in every word, and the share of right words (ROUGE-L)"
        : "Right answers, of \(labels.count) labels (chance: \(ReportNumber.percent(1 / Double(labels.count))))")
  }

  /// Cosine by layer: one row per layer, one column per pair.
  public var layerTable: Table {
    let places = Array(0...layerCount + 1)
    return Table(
      ["layer"] + ConditionPair.all.map(\.description) + (hasNoiseFloor ? ["noise floor"] : []),
      places.map { place in
        let layer: Layer = place > layerCount ? .finalNorm : .block(place)
        return [layerName(place)]
          + ConditionPair.all.map { pair in
            similarity(pair.first, pair.second, at: layer).map { ReportNumber.fixed($0.mean, 3) } ?? "—"
          }
          + (hasNoiseFloor ? [baseline(.otherOrder, at: layer).map { ReportNumber.fixed($0.mean, 3) } ?? "—"] : [])
      }, alignment: [.leading] + Array(repeating: .trailing, count: ConditionPair.all.count + 1),
      caption: "Cosine of states by layer: \(spec.positions.title)")
  }

  var hasNoiseFloor: Bool { spec.baselines.contains(.otherOrder) && spec.demonstrations > 1 }

  func layerName(_ place: Int) -> String {
    let name = spec.point.name(ofPlace: place, layerCount: layerCount)
    return name.hasPrefix("after ") ? String(name.dropFirst(6)) : name
  }

  /// One sentence: what was compared.
  public var heading: String {
    let words =
      switch spec.labelWords {
      case _ where labels.isEmpty: "answers written word by word"
      case .meaningful: "the task's own label words"
      // A task without arbitrary words uses its own.
      case .arbitrary where repetitions.first?.labelWords == labels: "the task's own label words"
      case .arbitrary: "label words without a meaning in the task"
      case .swapped: "swapped label words"
      case .custom(let words): "label words " + words.joined(separator: ", ")
      }
    let queryCount = repetitions.first?.answers[.anchor]?.count ?? spec.queries
    let count =
      isPartial
      ? "\(repetitions.count) of \(spec.repetitions) repetitions (interrupted)"
      : "\(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s")"
    return "\(task): \(spec.demonstrations) demonstration\(spec.demonstrations == 1 ? "" : "s"), "
      + "\(queryCount) quer\(queryCount == 1 ? "y" : "ies"), \(count), \(words)"
      + (spec.demonstrationTask.map { ", demonstrations of \($0.name)" } ?? "")
      + (spec.choice == .random
        ? ""
        : ", each query with the demonstrations \(spec.choice.rawValue) to it"
          + (spec.likeness == .states ? " by the model's states" : ""))
      + (spec.order == .random ? "" : ", \(spec.order.rawValue) by class")
      + (spec.template == nil ? "" : ", another template")
      + (spec.instructionText.map { ", instruction \($0.debugDescription)" }
        ?? (spec.instruction == nil ? ", no instruction" : ""))
      + (spec.tuning.method == .lora
        ? "" : ", tuned: \(spec.tuning.method == .full ? "everything" : "keys and values")")
      + (spec.tuning.loss == .answer ? "" : ", loss on all tokens")
      + (spec.positions == .last && spec.point == .residual ? "" : ", compared: \(whatIsCompared)")
      + (spec.wrongLabelShare > 0
        ? ", \(ReportNumber.percent(spec.wrongLabelShare)) of the labels \(wrongWord)" : "")
  }

  private var wrongWord: String {
    switch spec.wrongLabelKind {
    case .flipped: "wrong"
    case .random: "drawn at random"
    case .permuted: "permuted"
    }
  }

  /// One sentence: on what model, with which seed, and the fingerprint of all numbers.
  public var origin: String {
    let model = provenance.model
    let hash = model.sha256.map { ", SHA-256 \($0.prefix(12))…" } ?? ""
    return
      "\(model.name) (\(model.parameterCount) parameters, \(model.quantization)\(hash)\(model.precisionNote)); seed \(spec.seed); "
      + "engine \(provenance.engineVersion); all numbers together have the fingerprint \(provenance.fingerprint.prefix(16))"
  }
}
