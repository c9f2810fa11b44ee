import NotebookDisplay

// Each result as a page of its own: what was found, pictures, tables, choices, where the numbers come from, and how to
// get them again.

extension Comparison {
  public var page: String {
    ReportPage(
      title: "ICL and instruction tuning compared", lead: heading,
      sections: [
        .init(
          title: "What was found",
          parts: (isPartial ? ["Interrupted: these are the repetitions that were finished."] + notes : notes)
            .map { .text($0) } + foundTables),
        .init(title: "Through the layers", parts: [.picture(plot(.layers)), .table(layerTable)]),
        .init(title: "Condition by condition", parts: [.picture(plot(.heatmap))]),
        .init(title: "The states themselves", parts: [.picture(plot(.projection))]),
        .init(title: "Layer by layer", parts: [.picture(plot(.cka))]),
      ] + measureSections + ReportPage.origins(spec, provenance, reproduce)
    ).html
  }
}

extension Comparison {
  private var foundTables: [ReportPage.Part] {
    let tables = [similarityTable, accuracyTable] + (measured.isEmpty ? [] : [measureTable])
    return tables.map { .table($0) }
  }

  /// The measures that go through the layers as pictures, all of them as a table; nothing where nothing was measured.
  private var measureSections: [ReportPage.Section] {
    if measured.isEmpty { return [] }
    let courses = measured.filter { !course($0, of: mainSubject($0)).isEmpty }
    let pictures: [ReportPage.Part] = courses.map { .picture(plot(measure: $0)) }
    return [ReportPage.Section(title: "Measure by measure", parts: pictures + [.table(measurePairTable)])]
  }
}

extension Sweep {
  public var page: String {
    let first = comparisons.first
    return ReportPage(
      title: "ICL and instruction tuning by \(factor)",
      lead: "\(task), \(factor): \(values.joined(separator: ", "))",
      sections: [
        .init(
          title: "What was found",
          parts: (isPartial ? [.text("Interrupted: these are the values that were finished.")] : [])
            + PlotKind.allCases.map { .picture(plot($0)) } + foundTables)
      ]
        + zip(values, comparisons).map { value, comparison in
          .init(
            title: "\(factor): \(value)", parts: [.text(comparison.heading), .picture(comparison.plot(.layers))])
        } + (first.map { ReportPage.origins($0.spec, $0.provenance, reproduce, of: "the first value") } ?? [])
    ).html
  }
}

extension Sweep {
  private var foundTables: [ReportPage.Part] {
    let isMeasured = comparisons.contains { !$0.measured.isEmpty }
    return [.table(table), .table(accuracyTable)] + (isMeasured ? [.table(measureTable)] : [])
  }
}

extension StepsToICL {
  public var page: String {
    ReportPage(
      title: "Tuning, step by step, beside demonstrations",
      lead: "\(task): \(spec.demonstrations) demonstrations, \(spec.queries) queries, "
        + "\(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s")",
      sections: [
        .init(title: "What was found", parts: [.text(finding), .picture(plot), .picture(accuracyPlot), .table(table)])
      ] + ReportPage.origins(spec, provenance, reproduce)
    ).html
  }
}

extension TaskVectors {
  public var page: String {
    ReportPage(
      title: "What vectors carry of the task",
      lead: "\(task): \(spec.demonstrations) demonstrations, \(spec.queries) queries, "
        + "\(repetitions.count) repetition\(repetitions.count == 1 ? "" : "s"), "
        + "\(headCount) head\(headCount == 1 ? "" : "s") in the function vector",
      sections: [
        .init(
          title: "What was found",
          parts: (isPartial ? [.text("Interrupted: these are the repetitions that were finished.")] : [])
            + [.picture(plot), .table(table)]),
        .init(title: "The heads", parts: [.table(headTable)]),
      ] + ReportPage.origins(spec, provenance, reproduce)
    ).html
  }
}

extension LogitLens {
  public var page: String {
    ReportPage(
      title: "What the model would say after each layer",
      lead: pieces.map(Self.readable).joined(separator: " "),
      sections: [
        .init(title: "On the way to the answer", parts: [.picture(plot)]),
        .init(title: "The likeliest tokens", parts: [.table(table(.token))]),
        .init(title: "Ranks", parts: [.table(table(.rank))]),
        .init(title: "Divergence", parts: [.table(table(.divergence))]),
        .init(
          title: "Where the numbers come from",
          parts: [
            .facts(Table(["what", "which"], model.facts + [["engine", EngineVersion.current]])), .code(reproduce),
          ]),
      ]
    ).html
  }
}

extension ReportPage {
  /// The last sections of an experiment's page.
  /// - Parameter part: of what part of the experiment the checksums are, where not of all
  fileprivate static func origins(
    _ spec: ComparisonSpec, _ provenance: ExperimentProvenance, _ reproduce: String, of part: String? = nil
  ) -> [Section] {
    [
      Section(
        title: "Choices", parts: (part.map { [.text("Those of \($0).")] } ?? []) + [.facts(spec.choices)]),
      Section(
        title: "Where the numbers come from",
        parts: (part.map { [.text("Checksums are those of \($0).")] } ?? []) + [.facts(provenance.facts)]),
      Section(title: "The same numbers again", parts: [.code(reproduce)]),
    ]
  }
}
