import Foundation

extension HuggingFaceTokenizer {
  /// The chat template of a folder: `chat_template.jinja`, or what `tokenizer_config.json` says; `nil` without one.
  static func chatTemplate(folder: String) throws(EngineError) -> String? {
    let path = folder + "/chat_template.jinja"
    if FileManager.default.fileExists(atPath: path) {
      let file = try MappedFile(path: path)
      // The bytes end with the object, and the optimizer ends it at its last use.
      defer { withExtendedLifetime(file) {} }
      guard file.byteCount < 1 << 20, let text = String(validating: file.bytes, as: UTF8.self) else {
        throw EngineError(
          .malformedFile, "the chat template is not a short text", at: path, expected: "UTF-8 of at most 1 MB",
          found: "\(file.byteCount) bytes", nextStep: "fetch chat_template.jinja again")
      }
      return text
    }
    let config = folder + "/tokenizer_config.json"
    guard FileManager.default.fileExists(atPath: config) else { return nil }
    let template = try JSONTree.read(config, limit: 64 << 20)["chat_template"]
    // Several templates by name; "default" is the one for talking.
    let list = template?.elements ?? []
    let chosen = list.first { $0["name"]?.text == "default" } ?? list.first
    return template?.text ?? chosen?["template"]?.text
  }
}
