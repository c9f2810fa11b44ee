import Foundation

/// A model with everything that a notebook does to it.
///
///     let engine = try Engine()                 // the model that ships
///     let engine = try Engine(model: "llama-2-7b.Q4_0.gguf")
public final class Engine: Sendable {
  public let model: LlamaModel

  public init(_ model: LlamaModel) { self.model = model }

  /// Reads a GGUF file.
  public convenience init(model path: String) throws(EngineError) {
    self.init(try LlamaModel(contentsOf: (path as NSString).expandingTildeInPath))
  }

  /// Loads the model that the environment variable `ICL_MODEL` names or, without one, the model that ships.
  public convenience init() throws(EngineError) { try self.init(model: Self.shippedModel()) }

  /// The path of the model that ``init()`` loads.
  public static func shippedModel() throws(EngineError) -> String {
    if let path = ProcessInfo.processInfo.environment["ICL_MODEL"], !path.isEmpty { return path }
    let places = resourceFolders.map { $0.appending(path: "tour.gguf").path }
    for place in places where FileManager.default.fileExists(atPath: place) { return place }
    throw EngineError(
      .unreadableFile, "the model that ships with the engine is not where it should be",
      at: places.joined(separator: " or "), expected: "tour.gguf", found: "no such file",
      nextStep: "build again with `make`, or set ICL_MODEL to a GGUF file")
  }

  /// Where the package's resources lie: beside the running program, or where `ICL_RESOURCES` says.
  private static var resourceFolders: [URL] {
    var folders: [URL] = []
    if let path = ProcessInfo.processInfo.environment["ICL_RESOURCES"], !path.isEmpty {
      folders.append(URL(filePath: path))
    }
    let bundle = "swift-icl-kernel_ICLEngine.resources"
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    // Tests run inside a bundle of their own, beside the resources too.
    folders += [program, Bundle.main.bundleURL].map { $0.appending(path: bundle).appending(path: "Resources") }
    return folders
  }

  /// The ids of a text, BOS included where the model wants one.
  public func tokenize(_ text: String, addSpecial: Bool = true) -> [Int] {
    model.tokenizer.encode(text, addSpecial: addSpecial, parseSpecial: false)
  }

  /// The states of some texts, each a prompt of its own.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  public func states(
    _ texts: [String], capture: CaptureRequest = CaptureRequest(), adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> [HiddenStates] {
    try model.forward(texts.map { tokenize($0) }, capture: capture, adapter: adapter)
  }

  /// Continues a text.
  /// - Throws: `invalidArgument`, `contextOverflow`
  public func generate(
    _ text: String, tokens: Int = 64, sampling: Sampling = .greedy, adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> Generation {
    try model.generate(tokenize(text), count: tokens, sampling: sampling, adapter: adapter)
  }
}
