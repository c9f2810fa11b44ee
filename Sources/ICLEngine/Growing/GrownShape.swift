extension ModelConfiguration {
  /// The shape of the model that ships: about three and a half million parameters.
  package static func tour(vocabularySize: Int) -> ModelConfiguration {
    ModelConfiguration(
      name: "tour", layerCount: 4, hiddenSize: 256, headCount: 8, feedForwardSize: 640,
      vocabularySize: vocabularySize, contextLength: 512)
  }

  /// A shape for tests: seconds to train, learns little.
  package static func tiny(vocabularySize: Int) -> ModelConfiguration {
    ModelConfiguration(
      name: "tiny", layerCount: 2, hiddenSize: 32, headCount: 2, feedForwardSize: 64,
      vocabularySize: vocabularySize, contextLength: 256)
  }
}
