import Foundation

/// Where a number stands that does not fit its key, as 1.5 for a count.
///
/// Foundation ends decoding there without saying where; so the numbers are replaced by one that fits everywhere, one
/// after the other, until decoding goes on.
enum Misfit {
  struct Step: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
    init(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
  }

  /// `nil` where `object` can be decoded, or can't for a reason that has a place.
  static func place<T: Decodable>(in object: [String: Any], decoding type: T.Type) -> [Step]? {
    guard ends(object, type) else { return nil }
    var changed: Any = object
    for place in numbers(in: object, at: []) {
      changed = replaced(place[...], in: changed)
      if !ends(changed, type) { return place }
    }
    return nil
  }

  private static func ends<T: Decodable>(_ object: Any, _ type: T.Type) -> Bool {
    guard let data = try? JSONSerialization.data(withJSONObject: object) else { return false }
    do {
      _ = try JSONDecoder().decode(type, from: data)
      return false
    } catch DecodingError.dataCorrupted(let context) {
      return context.codingPath.isEmpty
    } catch {
      return false
    }
  }

  private static func numbers(in value: Any, at place: [Step]) -> [[Step]] {
    switch value {
    case let object as [String: Any]:
      object.sorted { $0.key < $1.key }.flatMap { numbers(in: $0.value, at: place + [Step(stringValue: $0.key)]) }
    case let list as [Any]:
      list.enumerated().flatMap { numbers(in: $0.element, at: place + [Step(intValue: $0.offset)]) }
    case is String, is NSNull, is Bool: []
    default: [place]
    }
  }

  private static func replaced(_ place: ArraySlice<Step>, in value: Any) -> Any {
    guard let step = place.first else { return 1 }
    if var object = value as? [String: Any], let inner = object[step.stringValue] {
      object[step.stringValue] = replaced(place.dropFirst(), in: inner)
      return object
    }
    if var list = value as? [Any], let index = step.intValue, list.indices.contains(index) {
      list[index] = replaced(place.dropFirst(), in: list[index])
      return list
    }
    return value
  }
}
