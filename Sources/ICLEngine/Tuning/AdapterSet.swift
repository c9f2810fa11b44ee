/// Several adapters of one model side by side, by name: each switched on with a weight, or off.
///
///     var adapters = AdapterSet()
///     adapters["polite"] = polite
///     adapters["brief"] = brief
///     adapters.switchOn("brief", weight: 0.5)
///     let states = try engine.states(texts, adapter: adapters.active())
///
/// A new adapter is on with weight 1.
public struct AdapterSet: Sendable, Equatable {
  private var adapters: [String: LoRAAdapter] = [:]
  /// Weights of those that are on.
  public private(set) var weights: [String: Float] = [:]

  public init() {}

  /// Sorted.
  public var names: [String] { adapters.keys.sorted() }

  public subscript(name: String) -> LoRAAdapter? {
    get { adapters[name] }
    set {
      if newValue == nil { weights[name] = nil } else if adapters[name] == nil { weights[name] = 1 }
      adapters[name] = newValue
    }
  }

  public func isOn(_ name: String) -> Bool { weights[name] != nil }

  /// - Parameter weight: what the update is multiplied by
  /// - Throws: `invalidArgument` for a name that isn't there or a weight that is no number
  public mutating func switchOn(_ name: String, weight: Float = 1) throws(EngineError) {
    try checkName(name)
    guard weight.isFinite else {
      throw EngineError(
        .invalidArgument, "an adapter's weight is not a finite number", at: "adapter \(name)", found: "\(weight)")
    }
    weights[name] = weight
  }

  /// - Throws: `invalidArgument` for a name that isn't there
  public mutating func switchOff(_ name: String) throws(EngineError) {
    try checkName(name)
    weights[name] = nil
  }

  /// Switches all off but one.
  /// - Throws: `invalidArgument` for a name that isn't there
  public mutating func switchToOnly(_ name: String, weight: Float = 1) throws(EngineError) {
    try checkName(name)
    weights = [:]
    try switchOn(name, weight: weight)
  }

  /// One adapter that acts as all that are on; `nil` when none is. A single one with weight 1 is handed back as it is,
  /// so that its states have the same bits as without a set.
  /// - Throws: `invalidArgument` when they are of different models
  public func active() throws(EngineError) -> LoRAAdapter? {
    var parts: [(adapter: LoRAAdapter, weight: Float)] = []
    for name in names {
      if let adapter = adapters[name], let weight = weights[name] { parts.append((adapter, weight)) }
    }
    return try LoRAAdapter.combined(parts)
  }

  private func checkName(_ name: String) throws(EngineError) {
    guard adapters[name] != nil else {
      throw EngineError(
        .invalidArgument, "no adapter has this name", at: "adapters", expected: names.joined(separator: ", "),
        found: name)
    }
  }
}
