import NotebookDisplay
import Synchronization

/// One of several tunings of the same model.
package struct TuningPart: Sendable {
  /// Token ids with the weight of each token in the loss.
  package let examples: [(tokens: [Int], lossWeights: [Float])]
  package let seed: UInt64
}

/// What repetitions of a comparison have in common or do together, until its last one has had it.
final class SharedWork: Sendable {
  /// One tuning: a group of a repetition, on the model or on the untrained one.
  struct Place: Hashable {
    let repetition: Int
    let group: Int
    let isUntrained: Bool
  }

  /// What a tuning gave.
  struct Tuned: Sendable {
    var adapter: LoRAAdapter?
    var losses: [Float] = []
  }

  private let waiting = Mutex<[Place: Tuned]>([:])
  private let anchors = Mutex<[[[Int]]: ComparisonRun.Pass]>([:])

  func put(_ tuned: Tuned, at place: Place) { waiting.withLock { $0[place] = tuned } }

  func take(_ place: Place) -> Tuned? { waiting.withLock { $0.removeValue(forKey: place) } }

  func isWaiting(_ place: Place) -> Bool { waiting.withLock { $0[place] != nil } }

  func adapter(at place: Place) -> LoRAAdapter? { waiting.withLock { $0[place]?.adapter } }

  /// The pass of the model as it came over prompts without demonstrations, which are mostly the same in every repetition.
  func anchor(
    _ readings: [PromptReading], _ compute: () throws(EngineError) -> ComparisonRun.Pass
  ) throws(EngineError) -> ComparisonRun.Pass {
    let key = readings.map(\.stateTokens)
    if let known = anchors.withLock({ $0[key] }) { return known }
    let pass = try compute()
    anchors.withLock { $0[key] = pass }
    return pass
  }
}

extension ComparisonRun {
  /// Which repetition is at work, and which come after it.
  struct Turn {
    let repetition: Int
    /// Repetitions that are still to be done, this one left out.
    let ahead: [Int]
    let prepared: Prepared
    let isUntrained: Bool

    var groups: [Group] { prepared.draws[repetition] }

    func place(_ group: Int) -> SharedWork.Place {
      SharedWork.Place(repetition: repetition, group: group, isUntrained: isUntrained)
    }
  }

  /// The model tuned on a group's demonstrations. Where the model gains by it, tunings that come later go side by side
  /// with this one and wait for their turn; each has the bits that it has alone.
  /// - Returns: with the loss before each update
  func tuned(
    _ model: any ExperimentModel, group: Int, of turn: Turn, progress: ProgressLine
  ) throws(EngineError) -> (TunedModel, losses: [Float]) {
    let shared = turn.prepared.shared
    if let known = shared.take(turn.place(group)) {
      return (TunedModel(model: model, adapter: known.adapter), known.losses)
    }
    let places = spec.tuning.isSharable ? laterPlaces(after: group, of: turn) : []
    if !places.isEmpty {
      let all = [turn.place(group)] + places
      let parts = all.map { tuningPart($0, turn.prepared) }
      let count = model.countTogether(parts, spec.tuning)
      if count > 1, let tuned = try together(model, Array(parts.prefix(count)), progress) {
        for (place, result) in zip(all, tuned).dropFirst() { shared.put(result, at: place) }
        return (TunedModel(model: model, adapter: tuned[0].adapter), tuned[0].losses)
      }
    }
    let part = tuningPart(turn.place(group), turn.prepared)
    var losses: [Float] = []
    let tuned = try model.tuned(by: spec.tuning, on: part.examples, seed: part.seed) { loss in
      losses.append(loss)
      progress.advance()
    }
    return (tuned, losses)
  }

  private func together(
    _ model: any ExperimentModel, _ parts: [TuningPart], _ progress: ProgressLine
  ) throws(EngineError) -> [SharedWork.Tuned]? {
    var results = parts.map { _ in SharedWork.Tuned() }
    do throws(EngineError) {
      let adapters = try model.tuned(together: parts, spec.tuning) { part, loss in
        results[part].losses.append(loss)
        progress.advance()
      }
      for (index, adapter) in adapters.enumerated() { results[index].adapter = adapter }
      return results
    } catch {
      if error.code == .interrupted { throw error }
      // One of them failed. Alone, those before it still give their results.
      return nil
    }
  }

  /// The most tunings that are looked at for going side by side.
  private static let farthest = 32

  /// Tunings that are still to be done after a group's, in their order.
  private func laterPlaces(after group: Int, of turn: Turn) -> [SharedWork.Place] {
    var places = turn.groups.indices.dropFirst(group + 1).map(turn.place)
    for repetition in turn.ahead where !turn.isUntrained || repetition < Self.untrainedRepetitions {
      if places.count >= Self.farthest { break }
      places += turn.prepared.draws[repetition].indices.map {
        SharedWork.Place(repetition: repetition, group: $0, isUntrained: turn.isUntrained)
      }
    }
    return places.prefix(Self.farthest).filter { !turn.prepared.shared.isWaiting($0) }
  }

  private func tuningPart(_ place: SharedWork.Place, _ prepared: Prepared) -> TuningPart {
    let draw = prepared.draws[place.repetition][place.group].draw
    return TuningPart(
      examples: tuningSequences(builder(draw), draw.demonstrations), seed: seed(ofRepetition: place.repetition))
  }
}

extension TuningSettings {
  /// Whether tunings may go side by side: over frozen weights.
  var isSharable: Bool { method == .lora && steps > 0 }
}
