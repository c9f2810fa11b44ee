import Foundation

extension PackageBuilder {
  /// What `%package` was given.
  struct Wish: Equatable, Sendable {
    /// The URL of a repository, or the absolute path of a folder.
    var location: String
    /// A version or a branch, for a URL.
    var version: String?
    var products: [String]

    /// Reads `path-or-URL[@version] [product…]`.
    ///
    /// The path may stand in quotes or have backslashes before its spaces, as for a shell. Without either it is the
    /// longest beginning of the text that names a package.
    /// - Parameter place: relative paths begin where its cells work.
    /// - Returns: `nil` where nothing is named.
    /// - Throws: a ``CellError`` when a relative path has nowhere to begin.
    init?(_ argument: String, in place: CompilingCellRunner.Place) throws {
      try self.init(argument, home: place.environment["HOME"], folder: place.folder)
    }

    init?(_ argument: String, home: String?, folder: () throws -> String) throws {
      guard let words = Self.words(argument), let first = words.first else { return nil }
      products = Array(words.dropFirst())
      if Self.isRemote(first) {
        (location, version) = Self.split(first)
        return
      }
      func path(_ text: String) throws -> String {
        var text = text
        if text == "~" || text.hasPrefix("~/") {
          text = (home ?? NSHomeDirectory()) + text.dropFirst()
        } else {
          text = (text as NSString).expandingTildeInPath
        }
        return text.hasPrefix("/") ? text : try folder() + "/" + text
      }
      location = try path(first)
      version = nil
      if Self.isPackage(location) { return }
      for end in argument.indices.reversed() where argument[end].isWhitespace {
        let rest = Self.words(String(argument[end...]))
        guard let rest, let candidate = try? path(String(argument[..<end].trimmingSpaces)), Self.isPackage(candidate)
        else { continue }
        (location, products) = (candidate, rest)
        return
      }
      let all = try path(String(argument[...].trimmingSpaces))
      if Self.isPackage(all) { (location, products) = (all, []) }
    }

    private static func isPackage(_ folder: String) -> Bool {
      FileManager.default.fileExists(atPath: folder + "/Package.swift")
    }

    /// A user's name may stand before an @ as well: git@host:path.
    private static func split(_ text: String) -> (location: String, version: String?) {
      let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
      guard let last = parts.last, parts.count > 1, !last.contains("/"), !last.contains(":") else { return (text, nil) }
      return (parts.dropLast().joined(separator: "@"), last)
    }

    /// Words as a shell takes them apart; `nil` when a quote isn't closed.
    static func words(_ text: String) -> [String]? {
      var words: [String] = []
      var word: String?
      var quote: Character?
      var isEscaped = false
      for character in text {
        if isEscaped {
          // Within double quotes a backslash stands for itself unless it is needed.
          word = (word ?? "") + (quote != nil && !"\"\\".contains(character) ? "\\" : "") + String(character)
          isEscaped = false
        } else if character == "\\", quote != "'" {
          isEscaped = true
          word = word ?? ""
        } else if let open = quote {
          if character == open { quote = nil } else { word = (word ?? "") + String(character) }
        } else if character == "'" || character == "\"" {
          quote = character
          word = word ?? ""
        } else if character.isWhitespace {
          if let word { words.append(word) }
          word = nil
        } else {
          word = (word ?? "") + String(character)
        }
      }
      guard quote == nil, !isEscaped else { return nil }
      return words + (word.map { [$0] } ?? [])
    }

    private static func isRemote(_ location: String) -> Bool { location.contains("://") || location.hasPrefix("git@") }

    var isRemote: Bool { Self.isRemote(location) }

    /// The name by which other packages refer to it: the last part of its place.
    var identity: String {
      let name = location.split(separator: "/").last.map(String.init) ?? location
      return name.hasSuffix(".git") ? String(name.dropLast(4)) : name
    }
  }
}
