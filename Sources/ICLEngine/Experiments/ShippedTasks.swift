extension ClassificationTask {
  /// Names of the tasks that come with the engine.
  package static let shippedNames: [String] = []
}
