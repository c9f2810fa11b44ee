/// The identifier at a cursor; positions in Unicode code points, `startByte` in UTF-8.
struct Word: Equatable {
  var text: String
  var start: Int
  var end: Int
  var startByte: Int
  /// A dot stands right before it: a member's name, or a place behind one.
  var followsDot: Bool

  /// What stands to the left of the cursor.
  init(before cursor: Int, in code: String) { self.init(cursor, code, reachesRight: false) }

  /// The whole identifier that touches the cursor.
  init(around cursor: Int, in code: String) { self.init(cursor, code, reachesRight: true) }

  /// Whether a code point can stand in an identifier.
  static func belongs(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.value > 0x7f else {
      return switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "_", "$": true
      default: false
      }
    }
    return scalar.properties.isXIDContinue
      || scalar.properties.isEmoji || scalar == "\u{200D}" || scalar == "\u{FE0F}"
  }

  private init(_ cursor: Int, _ code: String, reachesRight: Bool) {
    let scalars = Array(code.unicodeScalars)
    let belongs = Self.belongs
    let cursor = min(max(cursor, 0), scalars.count)
    var start = cursor
    var end = cursor
    while start > 0, belongs(scalars[start - 1]) { start -= 1 }
    if reachesRight {
      if start == end, end < scalars.count, !belongs(scalars[end]) {
        // `f(` with the cursor behind the bracket means f.
        while start > 0, scalars[start - 1] == "(" || scalars[start - 1] == " " { start -= 1 }
        end = start
        while start > 0, belongs(scalars[start - 1]) { start -= 1 }
      } else {
        while end < scalars.count, belongs(scalars[end]) { end += 1 }
      }
    }
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[start..<end])
    text = String(view)
    self.start = start
    self.end = end
    startByte = scalars[..<start].reduce(0) { $0 + UTF8.width($1) }
    // Two dots and more are an operator.
    followsDot = start > 0 && scalars[start - 1] == "." && (start == 1 || scalars[start - 2] != ".")
  }
}
