import Foundation

/// A model with everything that a notebook does to it.
///
///     let engine = try Engine()                 // the model that ships
///     let engine = try Engine(model: "llama-2-7b.Q4_0.gguf")
public final class Engine: Sendable {
  public let model: LlamaModel

  public init(_ model: LlamaModel) { self.model = model }

  /// The same model, its products computed in another precision; the weights are shared.
  ///
  ///     let fast = try engine.with(.bf16)
  public func with(_ precision: Precision) throws(EngineError) -> Engine {
    precision == model.precision ? self : Engine(try model.with(precision))
  }

  /// Reads a GGUF file.
  public convenience init(model path: String) throws(EngineError) {
    self.init(try LlamaModel(contentsOf: (path as NSString).expandingTildeInPath))
  }

  /// Loads the model that the environment variable `ICL_MODEL` names or, without one, the model that ships.
  public convenience init() throws(EngineError) { try self.init(model: Self.shippedModel()) }

  /// The path of the model that ``init()`` loads.
  public static func shippedModel() throws(EngineError) -> String {
    if let path = ProcessInfo.processInfo.environment["ICL_MODEL"], !path.isEmpty { return path }
    var places: [String] = []
    for folder in resourceFolders {
      let place = folder.appending(path: "tour.gguf").path
      if !places.contains(place) { places.append(place) }
    }
    for place in places where FileManager.default.fileExists(atPath: place) { return place }
    throw EngineError(
      .unreadableFile, "the model that ships with the engine is not where it should be",
      at: places.joined(separator: " or "), expected: "tour.gguf", found: "no such file",
      nextStep: "build again with `make`, or set ICL_MODEL to a GGUF file")
  }

  /// Where the package's resources lie: beside the running program.
  private static var resourceFolders: [URL] {
    var folders: [URL] = []
    let bundle = "swift-icl-kernel_ICLEngine.resources"
    // Beside the image that holds this code (a program, or a test bundle that another program loads) …
    if let image = Self.image(of: UnsafeRawPointer(#dsohandle)) {
      folders.append(URL(filePath: image).deletingLastPathComponent())
    }
    // … and beside the program itself, in case the map can't be read.
    folders.append(URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent())
    folders = folders.map { $0.appending(path: bundle).appending(path: "Resources") }
    return folders
  }

  /// The file from which the code or data at an address was mapped.
  private static func image(of address: UnsafeRawPointer) -> String? {
    guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return nil }
    for line in maps.split(separator: "\n") {
      // "low-high rwxp offset device inode   path"
      let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
      let bounds = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
      guard bounds.count == 2, fields.count == 6, (bounds[0]..<bounds[1]).contains(UInt(bitPattern: address)) else {
        continue
      }
      return fields[5].trimmingCharacters(in: .whitespaces)
    }
    return nil
  }

  /// The ids of a text, BOS included where the model wants one.
  public func tokenize(_ text: String, addSpecial: Bool = true) -> [Int] {
    model.tokenizer.encode(text, addSpecial: addSpecial, parseSpecial: false)
  }

  /// The states of some texts, each a prompt of its own.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  public func states(
    _ texts: [String], capture: CaptureRequest = CaptureRequest(), adapter: LoRAAdapter? = nil,
    interventions: [Intervention] = []
  ) throws(EngineError) -> [HiddenStates] {
    try model.forward(
      texts.map { tokenize($0) }, capture: capture, adapter: adapter, interventions: interventions)
  }

  /// Continues a text.
  /// - Throws: `invalidArgument`, `contextOverflow`
  public func generate(
    _ text: String, tokens: Int = 64, sampling: Sampling = .greedy, adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> Generation {
    try model.generate(tokenize(text), count: tokens, sampling: sampling, adapter: adapter)
  }
}
