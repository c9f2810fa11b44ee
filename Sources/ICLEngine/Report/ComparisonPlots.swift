public import NotebookDisplay

extension Comparison {
  /// The pictures that a comparison has.
  public enum PlotKind: String, Sendable, CaseIterable {
    /// Similarity through the layers, with intervals over repetitions and the noise floor.
    case layers
    /// Similarity after the last block, condition by condition.
    case heatmap
    /// The states of the first repetition in the plane in which they differ most (PCA).
    case projection
    /// Likeness of each layer's ICL states with each layer's IT states (debiased CKA over the queries).
    case cka
  }

  /// A picture with a text twin.
  public func plot(_ kind: PlotKind) -> SVG {
    switch kind {
    case .layers: layersPlot
    case .heatmap: heatmapPlot
    case .projection: projectionPlot
    case .cka: ckaPlot
    }
  }

  private var layersPlot: SVG {
    let places = Array(0...layerCount)
    func series(
      _ name: String, _ stroke: PlotStyle.Stroke, _ value: (Layer) -> Statistics.Summary?
    ) -> LinePlot.Series {
      let summaries = places.map { value(.block($0)) }
      return LinePlot.Series(
        name: name, stroke: stroke, values: summaries.map { $0?.mean ?? .nan },
        band: repetitions.count < 2
          ? [] : summaries.map { ($0?.interval.lower ?? .nan, $0?.interval.upper ?? .nan) })
    }
    var lines = ConditionPair.all.map { pair in
      series(pair.description, PlotStyle.stroke(pair)) { similarity(pair.first, pair.second, at: $0) }
    }
    if hasNoiseFloor {
      lines.append(series("ICL, other order", PlotStyle.noiseFloor) { baseline(.otherOrder, at: $0) })
    }
    let headline = similarity(.icl, .it).map { ReportNumber.fixed($0.mean, 2) } ?? "undefined"
    let plot = LinePlot(
      title: "Similarity of hidden states through the layers",
      subtitle: "\(task), k = \(spec.demonstrations); mean of \(repetitions.count) repetition"
        + (repetitions.count == 1 ? "" : "s, bands: 95 % interval"),
      xTitle: spec.point.axisTitle, yTitle: "cosine, \(spec.positions.title)", xLabels: places.map(String.init),
      series: lines,
      description: "Lines of cosine similarity by layer for six pairs of conditions"
        + (hasNoiseFloor ? " and the noise floor" : "") + ". ICL and IT have \(headline): \(whatIsCompared).")
    return SVG(plot.svg, plainText: layerTable.plainText)
  }

  /// "after block 4", "at the final norm", "at the attention output of block 4".
  private var placeName: String {
    let name = spec.point.name(ofPlace: headlinePlace, layerCount: layerCount)
    return name.hasPrefix("after") ? name : "at the \(name)"
  }

  private var heatmapPlot: SVG {
    let names = Condition.allCases.map(\.rawValue)
    let values = Condition.allCases.map { a in
      Condition.allCases.map { b in a == b ? 1 : similarity(a, b)?.mean ?? .nan }
    }
    let plot = HeatmapPlot(
      title: "Similarity \(placeName)",
      subtitle: "\(task), k = \(spec.demonstrations); cosine, \(spec.positions.title)", names: names, values: values,
      description: "A grid of cosine similarities between the four conditions.")
    let table = Table(
      [""] + names, zip(names, values).map { [$0] + $1.map { ReportNumber.fixed($0, 2) } },
      alignment: [.leading] + Array(repeating: .trailing, count: names.count))
    return SVG(plot.svg, plainText: table.plainText)
  }

  private var ckaPlot: SVG {
    // Embeddings of the query's last token are the same for all queries, so nothing can be said of layer 0.
    let places = Array(layerCKA.indices.dropFirst())
    let values = places.map { row in places.map { layerCKA[row][$0] } }
    let plot = HeatmapPlot(
      title: "Layers of ICL and of IT, compared",
      subtitle: "\(task), k = \(spec.demonstrations); debiased CKA, first repetition", names: places.map(String.init),
      values: values, description: "A grid of debiased CKA between layers under ICL and layers under IT.",
      rowTitle: "ICL, after block", columnTitle: "IT, after block")
    let table = Table(
      ["ICL \\ IT"] + places.map(String.init),
      zip(places, values).map { ["\($0)"] + $1.map { ReportNumber.fixed($0, 2) } },
      alignment: Array(repeating: .trailing, count: places.count + 1))
    return SVG(plot.svg, plainText: table.plainText)
  }

  private var projectionPlot: SVG {
    let points = projection?.points ?? [:]
    let shares = projection?.explained ?? []
    func axis(_ index: Int) -> String {
      "component \(index + 1)"
        + (shares.indices.contains(index) ? " (\(ReportNumber.percent(shares[index])) of variance)" : "")
    }
    let shapes: [SVGCanvas.Marker] = [.triangle, .circle, .square, .diamond]
    let groups = zip(Condition.allCases, shapes).map { condition, shape in
      ScatterPlot.Group(
        name: condition.rawValue, color: PlotStyle.color(condition), shape: shape,
        points: (points[condition] ?? []).map { ($0.x, $0.y) })
    }
    let plot = ScatterPlot(
      title: "States \(placeName), in two dimensions",
      subtitle: "\(task), k = \(spec.demonstrations); first repetition, one mark per query", xTitle: axis(0),
      yTitle: axis(1), groups: groups,
      description: "Principal components of the states, marked by condition: \(whatIsCompared).")
    let table = Table(
      ["condition", "mean of component 1", "mean of component 2"],
      groups.map { group in
        [
          group.name, ReportNumber.fixed(Statistics.mean(group.points.map(\.x)), 2),
          ReportNumber.fixed(Statistics.mean(group.points.map(\.y)), 2),
        ]
      }, alignment: [.leading, .trailing, .trailing])
    return SVG(plot.svg, plainText: table.plainText)
  }
}
