public import NotebookDisplay

/// How a value that a cell ends with is shown.
public enum CellValue {
  /// Elements of a collection that are written out; what follows is counted.
  static let elementLimit = 1000
  /// Characters of the text form.
  static let textLimit = 100_000

  /// The value's own forms when it has any, its text otherwise.
  public static func bundle(of value: Any) -> MIMEBundle {
    if let rich = unwrapped(value) as? any RichDisplayable {
      var bundle = rich.mimeBundle
      if bundle[.plainText] == nil { bundle[.plainText] = text(of: value) }
      return bundle
    }
    return MIMEBundle(plainText: text(of: value))
  }

  /// What is inside of an optional, through any number of layers; the value itself when it is none.
  private static func unwrapped(_ value: Any) -> Any? {
    guard let optional = value as? any OptionalValue else { return value }
    return optional.wrapped.flatMap(unwrapped)
  }

  static func text(of value: Any) -> String {
    let text =
      switch value {
      case let string as String: String(reflecting: string)
      case let character as Character: String(reflecting: character)
      case let optional as any OptionalValue: optional.wrapped.map(text(of:)) ?? "nil"
      case let collection as any Collection where isPlain(collection): elements(of: collection)
      default: String(describing: value)
      }
    guard text.utf8.count > textLimit else { return text }
    return text.prefix(textLimit) + " … (\(text.count) characters)"
  }

  /// Arrays, sets and dictionaries print their elements; other collections know better how they look.
  private static func isPlain(_ collection: any Collection) -> Bool {
    collection is any PlainCollection && collection.count > elementLimit
  }

  private static func elements(of collection: any Collection) -> String {
    func first<C: Collection>(_ collection: C) -> String {
      var parts: [String] = []
      for element in collection.prefix(elementLimit) {
        if let pair = element as? (key: Any, value: Any) {
          parts.append("\(text(of: pair.key)): \(text(of: pair.value))")
        } else {
          parts.append(text(of: element))
        }
      }
      return "[\(parts.joined(separator: ", ")), … \(collection.count - elementLimit) more]"
    }
    return first(collection)
  }
}

private protocol OptionalValue { var wrapped: Any? { get } }
extension Optional: OptionalValue { var wrapped: Any? { map { $0 } } }

private protocol PlainCollection {}
extension Array: PlainCollection {}
extension ArraySlice: PlainCollection {}
extension ContiguousArray: PlainCollection {}
extension Set: PlainCollection {}
