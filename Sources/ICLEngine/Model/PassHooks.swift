import Synchronization

/// What looks into one batch on its way through the blocks: interventions first, then captures.
///
/// Belongs to one pass; the attention's rows come from several threads, behind a mutex. Closures of users run on the
/// pass's own thread.
final class PassHooks {
  /// A row of the batch that something is asked of.
  struct Row {
    let row: Int
    /// The prompt and position that it is; where prompts share it, the first of them.
    let prompt: Int
    let position: Int
    let applications: [InterventionPlan.Application]
    /// Whether its states are kept.
    let isWanted: Bool
  }

  private struct Place: Hashable {
    let target: Intervention.Target
    let layer: Int
  }

  /// Keeps a row of states.
  typealias Keep = (_ key: HiddenStates.Key, _ row: Int, _ values: [Float]) -> Void

  private let plan: InterventionPlan
  private let request: CaptureRequest
  private let layers: Set<Int>
  private let heads: Set<Int>
  private let rowCount: Int
  private let rows: [Row]
  private let keep: Keep
  /// Which rows are changed where, by which intervention.
  private var changes: [Place: [(row: Int, intervention: Int, vector: Int)]] = [:]

  /// Attention of one row and head.
  struct AttentionRow {
    let key: HiddenStates.AttentionKey
    let row: Int
    let head: Int
    let values: [Float]
  }
  private let attention = Mutex<[AttentionRow]>([])
  /// The first closure that made other than as many values as it was given.
  private(set) var failure: EngineError?

  /// - Parameters:
  ///   - rows: those of the batch of which anything is asked
  ///   - rowCount: all rows of the batch
  init(
    _ rows: [Row], rowCount: Int, plan: InterventionPlan, request: CaptureRequest, layers: Set<Int>, heads: [Int],
    keep: @escaping Keep
  ) {
    self.rows = rows
    self.rowCount = rowCount
    self.plan = plan
    self.request = request
    self.layers = layers
    self.heads = Set(heads)
    self.keep = keep
    for (index, row) in rows.enumerated() {
      for application in row.applications {
        let one = plan.interventions[application.intervention]
        let layer = one.target == .states(.finalNorm) ? plan.configuration.layerCount : one.layer
        changes[Place(target: one.target, layer: layer), default: []].append(
          (index, application.intervention, application.row))
      }
    }
    // A row's changes in the order of the interventions: rows come in any order.
    for place in changes.keys { changes[place]?.sort { ($0.row, $0.intervention) < ($1.row, $1.intervention) } }
  }

  /// Rows of the batch of which anything is asked; `at` in ``reach(_:_:_:at:)`` counts in these.
  var batchRows: [Int] { rows.map(\.row) }

  /// Changes and keeps rows of `states`.
  /// - Parameter at: the row of `states` in which a row of `rows` is; without it, its row in the batch
  func reach(_ point: CapturePoint, _ layer: Int, _ states: FloatMatrix, at: ((Int) -> Int?)? = nil) {
    func place(_ index: Int) -> Int? { if let at { at(index) } else { rows[index].row } }
    for change in changes[Place(target: .states(point), layer: layer)] ?? [] {
      let row = rows[change.row]
      guard let place = place(change.row) else { continue }
      let one = plan.interventions[change.intervention]
      var values = states.row(place)
      func site(_ head: Int?) -> Intervention.Site {
        Intervention.Site(prompt: row.prompt, position: row.position, layer: layer, head: head)
      }
      if let heads = one.heads {
        let e = plan.configuration.headDimension
        for head in heads {
          var part = Array(values[head * e..<(head + 1) * e])
          apply(change.intervention, change.vector, to: &part, at: site(head))
          values.replaceSubrange(head * e..<(head + 1) * e, with: part)
        }
      } else {
        apply(change.intervention, change.vector, to: &values, at: site(nil))
      }
      states.setRow(place, to: values)
    }
    guard request.points.contains(point), point == .finalNorm || layers.contains(layer) else { return }
    for (index, row) in rows.enumerated() where row.isWanted {
      guard let place = place(index) else { continue }
      keep(HiddenStates.Key(point, layer: layer), row.row, states.row(place))
    }
  }

  private func apply(_ intervention: Int, _ vector: Int, to values: inout [Float], at site: Intervention.Site) {
    var changed = values
    if plan.interventions[intervention].change.apply(vector, to: &changed, at: site) {
      values = changed
    } else if failure == nil {
      failure = EngineError(
        .invalidArgument, "an intervention's closure changed how many values there are",
        at: "intervention \(intervention), prompt \(site.prompt), position \(site.position)",
        expected: "\(values.count) values", found: "\(changed.count)")
    }
  }

  /// Who looks at the attention of a block (1-based); `nil` when nobody does.
  func watch(_ layer: Int) -> Attention.Watch? {
    func look(_ point: AttentionPoint) -> ((Int, Int, [Float]) -> [Float]?)? {
      let changes = self.changes[Place(target: .attention(point), layer: layer)] ?? []
      let keeps = request.attention.contains(point) && layers.contains(layer)
      if changes.isEmpty && !keeps { return nil }
      let byRow = Dictionary(grouping: changes) { rows[$0.row].row }
      let wanted = Set(rows.filter(\.isWanted).map(\.row))
      let key = HiddenStates.AttentionKey(point, layer: layer)
      return { [self] row, head, values in
        var changed: [Float]?
        for change in byRow[row] ?? [] {
          let one = plan.interventions[change.intervention]
          if let heads = one.heads, !heads.contains(head) { continue }
          var next = changed ?? values
          let source = rows[change.row]
          apply(
            change.intervention, change.vector, to: &next,
            at: Intervention.Site(prompt: source.prompt, position: source.position, layer: layer, head: head))
          changed = next
        }
        if keeps, wanted.contains(row), heads.contains(head) {
          let kept = AttentionRow(key: key, row: row, head: head, values: changed ?? values)
          attention.withLock { $0.append(kept) }
        }
        return changed
      }
    }
    let (logits, probabilities) = (look(.logits), look(.probabilities))
    if logits == nil && probabilities == nil { return nil }
    var watched = [Bool](repeating: false, count: rowCount)
    for row in rows { watched[row.row] = true }
    let isSerial = plan.interventions.contains { $0.change.isClosure }
    return Attention.Watch(isSerial: isSerial, rows: watched, logits: logits, probabilities: probabilities)
  }

  /// The attention that was kept, in no order.
  var attentionRows: [AttentionRow] { attention.withLock { $0 } }
}
