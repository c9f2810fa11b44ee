import Foundation

/// The tokenizer of a model, without its weights.
public enum ModelTokenizer {
  /// Reads the tokenizer of a GGUF file, which may hold a vocabulary and no weights, or of a Hugging Face folder.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`
  public static func read(contentsOf path: String) throws(EngineError) -> any Tokenizer {
    let path = (path as NSString).expandingTildeInPath
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      return try HuggingFaceTokenizer.read(folder: path)
    }
    return try GGUFTokenizer.read(contentsOf: path)
  }
}
